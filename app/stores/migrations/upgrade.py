"""Brings the key store's tables up to date."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

SCRIPTS = "app.stores:migrations"


def upgrade(connection: Connection) -> None:
    """Run the steps that are missing, within the connection's transaction; who calls holds the lock."""
    config = Config()
    config.set_main_option("script_location", SCRIPTS)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
