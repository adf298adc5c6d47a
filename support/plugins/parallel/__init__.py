"""Feature files in several worker processes, one report: what the hooks need of it.

The run hands whole feature files to workers. A worker is a process in a session of its own that runs behave's
own loop and the project's hooks unchanged, with its own platform, and sends back as plain data how each
scenario ended and which calls its formatters got. The run enters the first into its own model and makes the
second again for its own formatters, so console, JUnit, JSON, summary and exit code come from behave itself.
Allure results are written by the workers themselves, because they hold attachments and times.
"""

from support.plugins.parallel.pool import ALONE, NoWorker, distribute, figures
from support.plugins.parallel.times import recall

__all__ = ["ALONE", "NoWorker", "distribute", "figures", "recall"]
