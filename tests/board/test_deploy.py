"""`make deploy LOOSE=1` onto the emulated Pico: its true raw REPL, file system and flash."""

from pico import contents, ours


def test_onto_an_empty_board(first_deploy, checkout, deployed):
    result, _ = first_deploy
    assert result["code"] == 0, result["said"]
    assert ours(deployed) == checkout.expected()
    assert not [path for path in deployed if path.endswith(".new")]


def test_again_there_is_nothing_to_copy(node, checkout, deployed):
    node.start()
    code, said = checkout.deploy(node)
    assert code == 0 and "nothing to copy" in said, said
    node.stop()
    assert ours(contents(node.flash)) == ours(deployed)


def test_only_the_file_that_changed(node, changed, deployed):
    changed.append("firmware/topics.py", "\n_CHANGED = 1\n")
    node.start()
    code, said = changed.deploy(node)
    assert code == 0, said
    assert "firmware/topics.mpy" in said and "copied 1 files" in said, said
    node.stop()
    after = contents(node.flash)
    assert ours(after) == changed.expected()
    assert {path for path in deployed if after[path] != deployed[path]} - {"state/boot"} == {
        "firmware/topics.mpy"
    }
