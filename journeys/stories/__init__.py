"""The rooms behind `journeys/story.py`: reading, playing, judging, reporting and writing stories, a module each."""
