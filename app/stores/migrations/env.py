"""What Alembic runs: the steps, inside the transaction of the connection that `upgrade` hands over."""

from alembic import context

from app.stores.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, render_as_batch=True)
context.run_migrations()
