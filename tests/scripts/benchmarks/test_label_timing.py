"""What the ways to label are asked, and how their times are taken."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

from labels.questions import Question, QuestionSet
from scripts.benchmarks.label_timing import Workload
from scripts.benchmarks.timing import processor_seconds


def ask(count):
    questions = [Question(f"q{k}", "i", "red?", ("yes",), "exact") for k in range(count)]
    return Workload(None, QuestionSet("q", questions, lambda _: Image.new("RGB", (32, 32))), 4)


def test_every_round_of_every_workload_asks_about_images_of_its_own():
    painted = [ask(count).paint(number) for count in (8, 16, 40) for number in range(5)]
    assert len({work.questions.image("i").tobytes() for work in painted}) == 15
    assert [one.question for one in painted[0].questions] == ["red?"] * 8
    assert ask(8).questions.image("i").getcolors() == [(32 * 32, (0, 0, 0))]


def test_processor_time_of_processes_below_counts():
    work = "import time\nwhile time.process_time() < 0.5: pass\nprint(flush=True); input()"
    pipe = subprocess.PIPE
    before, own = processor_seconds(), time.process_time()
    with subprocess.Popen([sys.executable, "-c", work], stdin=pipe, stdout=pipe) as child:
        child.stdout.readline()
        used = processor_seconds() - before - (time.process_time() - own)
        child.communicate(b"\n")
    assert used >= 0.4


def test_threads_that_end_during_the_reading_do_no_harm():
    over = threading.Event()

    def start_and_end():
        while not over.is_set():
            waiting = [threading.Thread(target=time.sleep, args=(0.001,)) for _ in range(20)]
            for one in waiting:
                one.start()
            for one in waiting:
                one.join()

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(start_and_end)
        try:
            found = [processor_seconds() for _ in range(300)]
        finally:
            over.set()
    done.result()
    assert found == sorted(found)  # the time of a thread that has ended stays counted
