package watch_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddy-portico/portico/filter/watch"
)

func TestChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	f := watch.File{Path: path}
	clock := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	write := func(name, text string) {
		t.Helper()
		clock = clock.Add(time.Second)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, clock, clock); err != nil {
			t.Fatal(err)
		}
	}
	look := func(what string, want bool) {
		t.Helper()
		info, changed, err := f.Changed()
		if err != nil || changed != want {
			t.Fatalf("%s: changed = %t, %v, want %t", what, changed, err, want)
		}
		if changed {
			f.Read(info)
		}
	}
	if _, _, err := f.Changed(); !os.IsNotExist(err) {
		t.Fatalf("no file: %v", err)
	}
	write(path, "a")
	look("first", true)
	look("the same", false)
	write(path, "b")
	look("written in place, perhaps not to its end", false)
	write(path, "bc")
	look("still being written", false)
	look("kept still", true)
	look("the same again", false)
	write(path+".new", "bc") // of the same size
	if err := os.Chtimes(path+".new", clock.Add(-time.Second), clock.Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	look("renamed over", true)
	look("the same after the rename", false)
}
