"""The package behind the lessons: attention, pre-training, fine-tuning, evaluation.

`import course_lib` loads nothing but this line; each part is imported where it is used,
for example ``from course_lib.attention import softmax``.
"""

__version__ = "0.1.0"
