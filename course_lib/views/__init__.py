"""Ways to look at arrays: charts for every lesson, and the attention viewer.

A view is handed arrays and never a model. Importing this package loads no plotting
library; that happens when the first chart is drawn.
"""
