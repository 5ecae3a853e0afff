import os
import signal

import pytest

from remodal.errors import ExitCode, Preempted
from remodal.training.interruption import interruptions


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_stop_signal_is_noted_and_ends_in_preempted(number):
    with interruptions() as interruption:
        assert interruption.received is None
        os.kill(os.getpid(), number)
        assert interruption.received == number
        with pytest.raises(Preempted, match=f"stopped by {number.name} and saved") as error:
            interruption.leave("checkpoints")
    assert error.value.exit_code == ExitCode.PREEMPTED == 75


def test_slurms_second_sigterm_does_not_keep_the_training_from_saving():
    def die(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, die)
    try:
        with interruptions() as interruption:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)
            assert interruption.received == signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before)


def test_control_c_is_noted_and_a_second_one_acts_at_once():
    with interruptions() as interruption:
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.received == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_the_handlers_from_before_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with interruptions():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
