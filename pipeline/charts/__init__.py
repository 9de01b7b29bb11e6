"""What there is to draw of jobs, read through the views, and Altair's charts of it."""
