"""Questions of a lesson: predictions before a result, and the quiz at its end.

A lesson's file defines them with `prediction` and `question`; `predict` and `quiz` ask.
"""

from course_lib.exercises.questions.predictions import prediction
from course_lib.exercises.questions.questions import question

__all__ = ["prediction", "question"]
