"""Tests of `wormhole_server.sources`."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.files import new_path
from wormhole_server.errors import ConfigurationError
from wormhole_server.settings import OPTIONS, Settings
from wormhole_server.sources import Flags, Loaded, load


class LoadTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A place for a file."""
        self.path = new_path(self)

    def load(
        self,
        file: str | None = None,
        environment: Mapping[str, str] | None = None,
        **flags: str | list[str],
    ) -> Loaded:
        """Load from all three; a flag's underscores stand for dashes."""
        given_flags = {
            name.replace("_", "-"): [value] if isinstance(value, str) else value
            for name, value in flags.items()
        }
        if file is not None:
            self.path.write_text(file, "utf-8")
            given_flags["config"] = [str(self.path)]
        return load(Flags(given_flags), environment or {})

    def problems(
        self,
        file: str | None = None,
        environment: Mapping[str, str] | None = None,
        **flags: str | list[str],
    ) -> list[str]:
        """What is wrong with all that."""
        with self.assertRaises(ConfigurationError) as caught:
            self.load(file, environment, **flags)
        return list(caught.exception.problems)

    def test_defaults(self) -> None:
        """Without anything, everything is at its default and says so."""
        loaded = load(Flags(), {})
        self.assertEqual(loaded.settings, Settings())
        self.assertEqual(loaded.origins, {option.name: "default" for option in OPTIONS})

    def test_precedence(self) -> None:
        """A flag beats the environment, which beats the file, which beats the default."""
        file = 'motd = "file"'
        environment = {"WORMHOLE_SERVER_MOTD": "environment"}
        loaded = self.load(file)
        self.assertEqual((loaded.settings.motd, loaded.origins["motd"]), ("file", str(self.path)))
        loaded = self.load(file, environment)
        self.assertEqual(loaded.settings.motd, "environment")
        self.assertEqual(loaded.origins["motd"], "WORMHOLE_SERVER_MOTD")
        loaded = self.load(file, environment, motd="flag")
        self.assertEqual((loaded.settings.motd, loaded.origins["motd"]), ("flag", "--motd"))

    def test_last_flag(self) -> None:
        """Of a flag that is given twice and takes one value, the last counts."""
        self.assertEqual(self.load(motd=["one", "other"]).settings.motd, "other")

    def test_many(self) -> None:
        """Several values come from repeated flags, or a list in the file or a variable."""
        several = ("tcp:1", "tcp:2")
        self.assertEqual(self.load(metrics=["tcp:1", "tcp:2"]).settings.metrics, several)
        self.assertEqual(self.load('metrics = ["tcp:1", "tcp:2"]').settings.metrics, several)
        environment = {"WORMHOLE_SERVER_METRICS": '["tcp:1", "tcp:2"]'}
        self.assertEqual(self.load(environment=environment).settings.metrics, several)

    def test_many_but_one(self) -> None:
        """One value needs no list, and a stronger source replaces a weaker one's list."""
        loaded = self.load('metrics = ["tcp:1", "tcp:2"]', {"WORMHOLE_SERVER_METRICS": "tcp:3"})
        self.assertEqual(loaded.settings.metrics, ("tcp:3",))

    def test_none(self) -> None:
        """The word none turns off what can be turned off."""
        loaded = self.load('metrics = "none"', usage_retention="none", transit="none")
        self.assertEqual(loaded.settings.metrics, ())
        self.assertEqual(loaded.settings.transit, ())
        self.assertIsNone(loaded.settings.usage_retention)

    def test_empty_variable(self) -> None:
        """A variable that is empty is as good as none."""
        loaded = self.load('motd = "file"', {"WORMHOLE_SERVER_MOTD": ""})
        self.assertEqual(loaded.settings.motd, "file")

    def test_empty_flag(self) -> None:
        """A text that is empty takes away what a weaker source sets."""
        self.assertIsNone(self.load('motd = "file"', motd="").settings.motd)

    def test_file_by_variable(self) -> None:
        """The file can be named by a variable; a flag names another."""
        other = new_path(self)
        other.write_text('motd = "other"', "utf-8")
        environment = {"WORMHOLE_SERVER_CONFIG": str(other)}
        self.assertEqual(self.load(environment=environment).settings.motd, "other")
        self.assertEqual(self.load('motd = "flag"', environment).settings.motd, "flag")

    def test_all_at_once(self) -> None:
        """Everything that is wrong in any source is told, each on a line that says where."""
        problems = self.problems(
            'motd = 5\nmailbox_expiry = "1d"\nsend-buffer-limit = "1KiB"',
            {"WORMHOLE_SERVER_DATABSE": "x", "WORMHOLE_SERVER_LOG_LEVEL": "lound"},
            nameplate_expiry="soon",
            metrics=["tcp:1", "none"],
        )
        for problem, words in zip(
            problems,
            (
                ["WORMHOLE_SERVER_DATABSE (environment)", "did you mean WORMHOLE_SERVER_DATABASE?"],
                ["mailbox_expiry in ", str(self.path), "did you mean mailbox-expiry?"],
                ["motd in ", str(self.path), "5 is not a text"],
                ["WORMHOLE_SERVER_LOG_LEVEL (environment)", "is not a log level"],
                ["--nameplate-expiry: ", '"soon" is not a duration'],
                ["--metrics: ", '"none" beside other values'],
                ["send-buffer-limit: ", "smaller than message-size-limit"],
            ),
            strict=True,
        ):
            for word in words:
                self.assertIn(word, problem)

    def test_conflict_of_the_wrong(self) -> None:
        """A value that is wrong by itself is not told of again for what it does not go with."""
        problems = self.problems(send_buffer_limit="much", message_size_limit="8MiB")
        self.assertEqual(len(problems), 1)

    def test_unknown_flags(self) -> None:
        """What the command line has found wrong comes along."""
        with self.assertRaises(ConfigurationError) as caught:
            load(Flags({}, ("--x: there is no such option",)), {"WORMHOLE_SERVER_LOG_FD": "x"})
        self.assertEqual(len(caught.exception.problems), 2)
        self.assertEqual(caught.exception.problems[0], "--x: there is no such option")

    def test_kubernetes(self) -> None:
        """What Kubernetes sets beside a service of that name is no mistake."""
        environment = {
            "WORMHOLE_SERVER_SERVICE_HOST": "10.0.0.1",
            "WORMHOLE_SERVER_SERVICE_PORT": "4000",
            "WORMHOLE_SERVER_SERVICE_PORT_HTTP": "4000",
            "WORMHOLE_SERVER_PORT": "tcp://10.0.0.1:4000",
            "WORMHOLE_SERVER_PORT_4000_TCP": "tcp://10.0.0.1:4000",
            "WORMHOLE_SERVER_PORT_4000_TCP_ADDR": "10.0.0.1",
        }
        self.assertEqual(self.load(environment=environment).settings, Settings())

    def test_others_variables(self) -> None:
        """Variables of other programs are none of ours."""
        self.assertEqual(self.load(environment={"PATH": "/bin"}).settings, Settings())

    def test_no_guess(self) -> None:
        """A name that looks like none is told where to find those there are."""
        (problem,) = self.problems("zzzz = 1")
        self.assertIn("wormhole-server run --help lists them", problem)

    def test_odd_key(self) -> None:
        """A key with a line break in it does not break the line."""
        (problem,) = self.problems('"a\\nb" = 1')
        self.assertEqual(len(problem.splitlines()), 1)

    def test_table(self) -> None:
        """There are no sections; one is an unknown option."""
        (problem,) = self.problems("[wormhole-server]\nmotd = 'x'")
        self.assertTrue(problem.startswith("wormhole-server in "), problem)

    def test_config_in_file(self) -> None:
        """A file cannot name another one."""
        (problem,) = self.problems('config = "other.toml"')
        self.assertIn("remove the line", problem)

    def test_missing_file(self) -> None:
        """A file that is not there is named, with who named it."""
        (problem,) = self.problems(environment={"WORMHOLE_SERVER_CONFIG": "/nowhere/x.toml"})
        self.assertEqual(
            problem,
            'WORMHOLE_SERVER_CONFIG (environment): the file "/nowhere/x.toml" cannot be read '
            "(No such file or directory); write the path of one that can",
        )

    def test_broken_file(self) -> None:
        """What is not TOML, or not even text, is told with its place."""
        (problem,) = self.problems("motd = ,")
        self.assertIn("--config: ", problem)
        self.assertIn("line 1", problem)
        self.path.write_bytes(b"motd = '\xff'")
        with self.assertRaisesRegex(ConfigurationError, "is not TOML"):
            load(Flags({"config": [str(self.path)]}), {})

    def test_broken_list(self) -> None:
        """A variable that begins like a list and is none is told how to write one."""
        (problem,) = self.problems(environment={"WORMHOLE_SERVER_TRANSIT": '["tcp:1"'})
        self.assertIn('write ["ONE", "OTHER"]', problem)

    @given(
        st.dictionaries(
            st.sampled_from([option.variable for option in OPTIONS if option.name != "config"]),
            st.text(),
        )
    )
    def test_anything(self, environment: Mapping[str, str]) -> None:
        """Whatever the environment holds, there are settings or problems, one line each."""
        try:
            load(Flags(), environment)
        except ConfigurationError as error:
            for problem in error.problems:
                self.assertEqual(len(problem.splitlines()), 1)
