"""How weights lie in memory: fast while a method works, as the parent's when it is done."""

import pytest
import torch

from tests.workers.memorised import FEW_STEPS, Digits
from workers.unlearning.layout import copied, lay_out
from workers.unlearning.registry import get_method
from workers.zoo import digits_cnn

CPU = torch.device("cpu")


def test_a_copy_answers_the_same_in_the_fast_format(digits: Digits) -> None:
    parent = digits.parent.train()
    first = next(parameter for parameter in parent.parameters() if parameter.ndim == 4)
    assert first.shape[1] == 1

    mine = copied(parent, CPU)

    parent.eval()
    seen: list[torch.Tensor] = []
    for module in mine.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda *call: seen.append(call[2]))
    inputs = digits.remaining[:64]
    with torch.no_grad():
        assert torch.allclose(mine(inputs), parent(inputs), atol=1e-4)
    assert not mine.training
    # Of one channel both formats are the same bytes, and yet the strides decide the answer's.
    laid = next(parameter for parameter in mine.parameters() if parameter.ndim == 4)
    assert laid.stride(1) == 1
    assert first.stride(1) == first[0, 0].numel()
    assert seen
    assert all(answer.is_contiguous(memory_format=torch.channels_last) for answer in seen)


def test_there_and_back_changes_nothing() -> None:
    model = digits_cnn()
    before = {name: (tensor.clone(), tensor.stride()) for name, tensor in model.named_parameters()}

    lay_out(model, torch.channels_last)
    lay_out(model, torch.contiguous_format)

    for name, tensor in model.named_parameters():
        assert torch.equal(tensor, before[name][0])
        assert tensor.stride() == before[name][1]


@pytest.mark.parametrize("method", FEW_STEPS)
def test_what_a_method_gives_lies_as_the_parent_does(digits: Digits, method: str) -> None:
    done = get_method(method).unlearn(digits.problem(parameters=FEW_STEPS[method]), lambda _p: None)

    pairs = zip(done.model.parameters(), digits.parent.parameters(), strict=True)
    assert all(ours.stride() == its.stride() for ours, its in pairs)
