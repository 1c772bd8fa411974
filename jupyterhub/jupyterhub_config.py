"""JupyterHub for the course: students fetch and submit in their browser, instructors collect and grade.

    CNN_HUB=/srv/cnn-hub CNN_COURSE=/srv/cnn-course jupyterhub --config jupyterhub/jupyterhub_config.py

CNN_HUB is a folder for the hub's state, the students' homes and nbgrader's exchange; CNN_COURSE is the instructors'
copy of the repository. docs/jupyterhub.md says what to change for a real class: here every server runs under one
account of the system, without protection from the others. CNN_HUB_PASSWORD is what all users come in with; without it
nobody is asked for one, and the hub is open to this machine alone.
"""

import os
from pathlib import Path

here = Path(__file__).resolve().parent
hub = Path(os.environ["CNN_HUB"]).resolve()
course = Path(os.environ.get("CNN_COURSE", here.parent)).resolve()
instructors = {"instructor"}

exchange = hub / "exchange"
for folder in (hub, exchange, hub / "homes"):
    folder.mkdir(parents=True, exist_ok=True)
exchange.chmod(0o777)  # nbgrader refuses one that students cannot write into

c = get_config()  # noqa: F821 - given by JupyterHub
c.JupyterHub.db_url = f"sqlite:///{hub / 'jupyterhub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(hub / "cookie_secret")
c.ConfigurableHTTPProxy.pid_file = str(hub / "proxy.pid")
local_proxy = here.parent / "build" / "proxy" / "node_modules" / ".bin" / "configurable-http-proxy"
if local_proxy.exists():
    c.ConfigurableHTTPProxy.command = [str(local_proxy)]

# Everybody who knows the one password may come in under any name. For a class: PAM, LDAP, OAuth.
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = os.environ.get("CNN_HUB_PASSWORD", "")
if not c.DummyAuthenticator.password:
    c.JupyterHub.bind_url = "http://127.0.0.1:8000"  # for this machine alone
c.Authenticator.allow_all = True
c.Authenticator.admin_users = instructors

# Servers as processes of this account, with a home for each user. For a class: system users, Docker, Kubernetes.
c.JupyterHub.spawner_class = "jupyterhub.spawner.SimpleLocalProcessSpawner"
c.SimpleLocalProcessSpawner.home_dir_template = str(hub / "homes" / "{username}")
c.Spawner.default_url = "/lab"


def settings(spawner):
    """Who sees what: students the list of assignments, instructors formgrader over the course as well."""
    role = "instructor" if spawner.user.name in instructors else "student"
    spawner.environment = {
        "JUPYTER_CONFIG_PATH": str(here / role),
        "CNN_COURSE": str(course),
        "CNN_EXCHANGE": str(exchange),
    }
    if role == "instructor":
        spawner.notebook_dir = str(course)


c.Spawner.pre_spawn_hook = settings
