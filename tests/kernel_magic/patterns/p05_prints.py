"""5, 6. Prints become log lines with log_prints; get_run_logger tags lines with the right run."""

import threading

from engine_help import Book

from headrace import flow, get_run_logger, task


@task
def p05_loud() -> None:
    print("loud", end="")
    get_run_logger().info("logged in the task")
    thread = threading.Thread(target=lambda: get_run_logger().info("from a thread"))
    thread.start()
    thread.join()


@task(log_prints=False)
def p05_quiet() -> None:
    print("quiet")


@flow(log_prints=True)
def p05_talk() -> None:
    get_run_logger().warning("logged in the flow")
    p05_loud()
    p05_quiet()


p05_talk()
book = Book()
assert book.lines(book.one("p05-talk")) == ["logged in the flow"]
assert book.lines(book.one("p05_loud")) == ["loud", "logged in the task", "from a thread"]
assert book.lines(book.one("p05_quiet")) == []
