"""`python -m tests.feedback.sender ADDRESS NAME`: store ratings without end, from several threads.

Prints the id of each when it is acknowledged; each thread goes on with the next number.
"""

import sys
from itertools import count
from threading import Thread

THREADS = 4


def main() -> None:
    from components.feedback.events import Event
    from components.feedback.log import FeedbackLog

    address, name = sys.argv[1:]
    log = FeedbackLog(address)

    def send(thread: int) -> None:
        for number in count():
            event_id = f"{name}.{thread}.{number}"
            log.submit("", [Event(event_id, name, "i1", "rating", 3.0, number)]).result()
            # One write a line: a kill must not leave half an id.
            sys.stdout.write(f"{event_id}\n")
            sys.stdout.flush()

    threads = [Thread(target=send, args=(thread,)) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
