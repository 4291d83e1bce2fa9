"""Two oracles of every gradient written by hand: autograd and central differences."""

import numpy as np
import pytest
import torch


@pytest.fixture(scope="session")
def torch_grads():
    return autograd


@pytest.fixture(scope="session")
def central_differences():
    return differences


def autograd(function, grad_output, *arrays):
    """The gradient of sum(grad_output * function(*arrays)) for each array, by torch."""
    tensors = [torch.from_numpy(np.array(array)).requires_grad_() for array in arrays]
    grad = torch.from_numpy(np.array(grad_output))
    grads = torch.autograd.grad(function(*tensors), tensors, grad)
    return [grad.numpy() for grad in grads]


def differences(function, grad_output, *arrays):
    """The same, from a step of 1e-5 to either side of each number.

    Of numbers near 1, the step leaves 1e-10 of the third derivative, and 1e-11 of the
    roundings: far less than the 1e-7 asked for.
    """
    arrays = [np.array(array, np.float64) for array in arrays]
    grads = [np.empty_like(array) for array in arrays]
    for array, grad in zip(arrays, grads, strict=True):
        for place in np.ndindex(array.shape):
            number, ends = array[place], []
            for step in (1e-5, -1e-5):
                array[place] = number + step
                ends.append((grad_output * function(*arrays)).sum())
            array[place] = number
            grad[place] = (ends[0] - ends[1]) / 2e-5
    return grads
