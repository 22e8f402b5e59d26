"""`python -m tests.answers DATABASE_URL REDIS_URL`: exits with 0 if both servers answer."""

import sys

import redis
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError


def answers(database_url: str, redis_url: str) -> bool:
    try:
        with create_engine(database_url).connect() as connection:
            connection.execute(text("SELECT 1"))
        redis.Redis.from_url(redis_url, socket_timeout=2, socket_connect_timeout=2).ping()
    except (OperationalError, redis.RedisError):
        return False
    return True


if __name__ == "__main__":
    sys.exit(0 if answers(sys.argv[1], sys.argv[2]) else 1)
