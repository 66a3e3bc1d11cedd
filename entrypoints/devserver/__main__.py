import sys

from entrypoints.devserver.run import StopFlag, run

if __name__ == "__main__":
    sys.exit(run(StopFlag()))
