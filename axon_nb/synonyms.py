"""Owns what people call things elsewhere: names from Keras, PyTorch and Axon, and abbreviations, for "did you mean".

Knows nothing about which names exist here: whoever asks hands over those that do.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_GROUPS = """
dense: linear fc fully_connected affine innerproduct dense_layer lazylinear
linear: identity
conv: conv1d conv2d conv3d convolution convolution1d convolution2d convolution3d lazyconv2d
conv_transpose: conv1dtranspose conv2dtranspose conv3dtranspose convtranspose1d convtranspose2d convtranspose3d deconv
depthwise_conv: depthwiseconv1d depthwiseconv2d
separable_conv: separableconv1d separableconv2d
batch_norm: batchnormalization batchnorm1d batchnorm2d batchnorm3d bn batch_normalization
layer_norm: layernormalization ln
group_norm: groupnormalization
instance_norm: instancenorm1d instancenorm2d instancenorm3d instancenormalization
rms_norm: rmsnormalization
max_pool: maxpool1d maxpool2d maxpool3d maxpooling1d maxpooling2d maxpooling3d maxpooling
avg_pool: avgpool1d avgpool2d avgpool3d averagepooling1d averagepooling2d averagepooling3d average_pool mean_pool
lp_pool: lppool1d lppool2d
adaptive_avg_pool: adaptiveavgpool1d adaptiveavgpool2d adaptiveavgpool3d
adaptive_max_pool: adaptivemaxpool1d adaptivemaxpool2d
global_avg_pool: globalaveragepooling1d globalaveragepooling2d gap global_average_pool
global_max_pool: globalmaxpooling1d globalmaxpooling2d
rnn: simplernn simple_rnn recurrent elman
lstm: longshorttermmemory lstmcell
gru: grucell
conv_lstm: convlstm1d convlstm2d convlstm3d
multi_head_attention: multiheadattention mha attention self_attention
embedding: embed embeddingbag
flatten: view ravel squeeze
reshape: view unflatten unsqueeze expand_dims
transpose: permute swapaxes movedim
concatenate: cat concat merge join
stack: stack_columns
add: sum plus
multiply: mul product times
subtract: sub minus difference
residual: skip skip_connection shortcut resblock
block: sequential modulelist module
pad: zeropadding1d zeropadding2d zeropadding3d constantpad2d zeropad2d
upsample: upsampling1d upsampling2d upsampling3d interpolate
resize: resizing interpolate
pixel_shuffle: depth_to_space
pixel_unshuffle: space_to_depth
dropout: dropout1d alphadropout
spatial_dropout: dropout2d dropout3d spatialdropout1d spatialdropout2d spatialdropout3d
alpha_dropout: alphadropout
feature_alpha_dropout: featurealphadropout
gaussian_noise: gaussiannoise noise
leaky_relu: leakyrelu lrelu
silu: swish
hard_tanh: hardtanh
relu6: relu_6
noop: identity passthrough nothing
input: inputlayer inp placeholder
units: filters out_channels out_features hidden_size hidden_units num_units n_units
units: features width channels_out size num_hidden
kernel_size: kernel filter_size ksize window window_size pool_size size
strides: stride step subsample
padding: pad border_mode
dilation: dilation_rate
channels: data_format format layout channel_order channels_last channels_first
rate: p prob probability dropout drop dropout_rate drop_prob keep_prob
axis: dim dims axes
use_bias: bias with_bias
activation: act activation_fn nonlinearity func
kernel_initializer: kernel_init weight_init weight_initializer init initializer w_init
bias_initializer: bias_init b_init
gamma_initializer: weight_initializer scale_initializer
epsilon: eps
momentum: decay alpha
return_sequence: return_sequences
return_state: return_states
groups: num_groups n_groups
heads: num_heads n_heads nhead n_head
key_units: key_dim head_dim kdim d_k
vocab_size: num_embeddings input_dim vocab n_tokens vocabulary vocabulary_size num_tokens
max_length: max_len maxlen sequence_length
output_size: output_shape
scale_factor: scale
shape: target_shape input_shape size dims batch_shape
dtype: type
name: label
causal: is_causal use_causal_mask
learning_rate: lr alpha eta step_size
weight_decay: l2 wd decay
epochs: epoch num_epochs n_epochs nb_epoch iterations
batch_size: batch bs batchsize
loss: criterion objective loss_fn
optimizer: optim opt
validation: validation_data validation_split val val_data valid
class_weights: class_weight weights
metrics: metric
mean_squared_error: mse mseloss l2 l2loss meansquarederror squared_error
mean_absolute_error: mae l1loss l1 meanabsoluteerror absolute_error
binary_cross_entropy: bce bceloss bcewithlogitsloss binarycrossentropy binary_crossentropy logloss log_loss
categorical_cross_entropy: crossentropyloss cross_entropy crossentropy categoricalcrossentropy
categorical_cross_entropy: categorical_crossentropy cce nllloss nll softmax_cross_entropy
categorical_cross_entropy: sparse_categorical_crossentropy sparsecategoricalcrossentropy
kl_divergence: kldivloss kld kl kullback_leibler_divergence
huber: smoothl1loss smooth_l1 huberloss
hinge: hingeloss squared_hinge
cosine_distance: cosineembeddingloss cosine_loss
connectionist_temporal_classification: ctc ctcloss
triplet: tripletmarginloss
margin_ranking: marginrankingloss
soft_margin: softmarginloss
focal: focalloss binaryfocalcrossentropy
categorical_focal: categoricalfocalcrossentropy
accuracy: acc categorical_accuracy binary_accuracy sparse_categorical_accuracy sparsecategoricalaccuracy
top_k_categorical_accuracy: topk top_5 top5 top_k top_k_accuracy
f1: f1_score fscore fbeta
auc: roc_auc auroc roc
r2: r2_score
confusion_matrix: confusion
sgd: gradient_descent momentum nesterov
adam: adamax nadam
glorot_uniform: xavier xavier_uniform
glorot_normal: xavier_normal
he_normal: kaiming kaiming_normal
he_uniform: kaiming_uniform
zeros: zero
ones: one
normal: random_normal randn gaussian
uniform: random_uniform rand
truncated_normal: trunc_normal
CUDA: gpu nvidia cuda0
METAL: mps apple
CPU: llvm cpu0 clang host
CL: opencl
AMD: rocm hip
first: channels_first nchw ncl ncdhw
last: channels_last nhwc nlc ndhwc
valid: none no
same: half
float32: float single fp32
float16: half fp16
bfloat16: bf16
float64: double
int32: int integer
int64: long
bool: boolean
layers: layer list
devices: device
"""


def _plain(name: str) -> str:
    """Write a name as it is looked up: without case, underscores and the module before it.

    Example:
        >>> _plain("nn.BatchNorm2d"), _plain("batch_norm")
        ('batchnorm2d', 'batchnorm')
    """
    return re.sub(r"[\W_]", "", name.rpartition(".")[2]).lower()


_MEANT: dict[str, list[str]] = {}
for _line in _GROUPS.strip().splitlines():
    _name, _, _others = _line.partition(":")
    for _other in _others.split():
        _MEANT.setdefault(_plain(_other), []).append(_name)


def nearest(name: str, known: Iterable[str], *, most: int = 2) -> list[str]:
    """Find the names that may be meant: written otherwise, called otherwise elsewhere, or mistyped.

    Example:
        >>> nearest("Linear", ["dense", "conv"]), nearest("lr", ["learning_rate"]), nearest("Dens", ["dense", "conv"])
        (['dense'], ['learning_rate'], ['dense'])
    """
    names = list(dict.fromkeys(known))
    plain = _plain(name)
    same = [one for one in names if _plain(one) == plain]
    meant = [one for one in _MEANT.get(plain, ()) if one in names]
    found = meant + same if name != name.lower() else same + meant  # Linear is Keras's or PyTorch's, linear ours
    if not found and len(plain) > 2:  # cut short: "conv" for "convolution"
        found = [one for one in names if _plain(one).startswith(plain)][:most]
    if not found:
        by_plain = {_plain(one): one for one in sorted(names, reverse=True)}
        found = [by_plain[one] for one in difflib.get_close_matches(plain, sorted(by_plain), n=most, cutoff=0.6)]
        near = difflib.get_close_matches(plain, [one for one in _MEANT if len(one) > 3], n=3, cutoff=0.85)
        found += [one for other in near for one in _MEANT[other] if one in names]
    return list(dict.fromkeys(found))[:most]
