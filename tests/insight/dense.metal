#include <metal_stdlib>
using namespace metal;
kernel void r_3_2_4(device float* data0_6, device float* data1_8, device float* data2_12, device float* data3_3, uint3 gid [[threadgroup_position_in_grid]], uint3 lid [[thread_position_in_threadgroup]]) {
  float val0 = (*(data3_3+2));
  float4 val1 = (*((device float4*)((data1_8+0))));
  float4 val2 = (*((device float4*)((data1_8+4))));
  float4 val3 = (*((device float4*)((data2_12+0))));
  float4 val4 = (*((device float4*)((data2_12+4))));
  float4 val5 = (*((device float4*)((data2_12+8))));
  float2 val6 = (*((device float2*)((data3_3+0))));
  float alu0 = ((val1.x*val3.x)+(val1.y*val3.w)+(val1.z*val4.z)+(val1.w*val5.y)+val6.x);
  float alu1 = ((val1.x*val3.y)+(val1.y*val4.x)+(val1.z*val4.w)+(val1.w*val5.z)+val6.y);
  float alu2 = ((val1.x*val3.z)+(val1.y*val4.y)+(val1.z*val5.x)+(val1.w*val5.w)+val0);
  float alu3 = ((val2.x*val3.x)+(val2.y*val3.w)+(val2.z*val4.z)+(val2.w*val5.y)+val6.x);
  float alu4 = (((0.0f<alu0)|(alu0!=alu0))?alu0:0.0f);
  float alu5 = (((0.0f<alu1)|(alu1!=alu1))?alu1:0.0f);
  float alu6 = (((0.0f<alu2)|(alu2!=alu2))?alu2:0.0f);
  float alu7 = (((0.0f<alu3)|(alu3!=alu3))?alu3:0.0f);
  float alu8 = ((val2.x*val3.y)+(val2.y*val4.x)+(val2.z*val4.w)+(val2.w*val5.z)+val6.y);
  float alu9 = ((val2.x*val3.z)+(val2.y*val4.y)+(val2.z*val5.x)+(val2.w*val5.w)+val0);
  float alu10 = (((0.0f<alu8)|(alu8!=alu8))?alu8:0.0f);
  float alu11 = (((0.0f<alu9)|(alu9!=alu9))?alu9:0.0f);
  *((device float4*)((data0_6+0))) = float4(alu4,alu5,alu6,alu7);
  *((device float2*)((data0_6+4))) = float2(alu10,alu11);
}
