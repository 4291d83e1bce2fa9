"""Exercises that answer like a good teacher.

``check("11.4", scaled_scores)`` says whether an answer is right and, if not, what is
wrong with it. `hint` and `solution` help, `progress` shows what is done, `predict` and
`quiz` ask questions. What each exercise holds stands in `lesson_XX.py`.
"""

from course_lib.exercises.checking import check
from course_lib.exercises.hints import hint, solution
from course_lib.exercises.lessons import all_exercises
from course_lib.exercises.progress import progress
from course_lib.exercises.questions.predict import predict
from course_lib.exercises.questions.quiz import quiz

# `exercises.all()` reads well; to be imported by name there is `all_exercises`.
all = all_exercises

__all__ = [
    "all_exercises",
    "check",
    "hint",
    "predict",
    "progress",
    "quiz",
    "solution",
]
