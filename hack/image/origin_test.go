package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestOrigin(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git: install it")
	}
	dir := t.TempDir()
	t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(dir))
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_SYSTEM", os.DevNull)
	t.Setenv("SOURCE_DATE_EPOCH", "")
	expect := func(state, revision string, seconds int64) {
		t.Helper()
		o, err := originOf(t.Context(), dir)
		if err != nil || o.revision != revision || o.time.Unix() != seconds {
			t.Errorf("%s: got %q, %v, %v; want %q, %d s", state, o.revision, o.time, err, revision, seconds)
		}
	}
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=n", "-c", "user.email=e@example.org"}, args...)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_COMMITTER_DATE=1600000000 +0200", "GIT_AUTHOR_DATE=1500000000 +0000")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "file"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	expect("no clone", "", 0)
	git("init", "-q")
	write("a")
	git("add", "file")
	git("commit", "-q", "-m", "one")
	git("tag", "-a", "-m", "tag", "v1.2.3") // the revision is that of the commit all the same
	commit := git("rev-parse", "HEAD")
	expect("clean", commit, 1600000000)
	write("b")
	expect("changed", commit+"-dirty", 1600000000)
	t.Setenv("SOURCE_DATE_EPOCH", "1234567890")
	expect("changed, with SOURCE_DATE_EPOCH", commit+"-dirty", 1234567890)
	t.Setenv("SOURCE_DATE_EPOCH", "today")
	if o, err := originOf(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "SOURCE_DATE_EPOCH is \"today\"") {
		t.Errorf("got %v, %v", o, err)
	}
}
