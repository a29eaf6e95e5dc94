package list_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-portico/portico/filter/list"
)

func logger() (*zap.Logger, *observer.ObservedLogs) {
	core, logs := observer.New(zap.InfoLevel)
	return zap.New(core), logs
}

func open(t *testing.T, cfg list.Config) *list.List {
	t.Helper()
	l, err := list.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Destruct() })
	return l
}

func has(l *list.List, ip string) bool { return l.Contains(netip.MustParseAddr(ip)) }

// replace puts a file in the place of another as an administrator should: by a
// rename.
func replace(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestConfigErrors(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.txt")
	replace(t, bad, "192.0.2.1\nnonsense\n")
	tests := []struct {
		name string
		cfg  list.Config
		want string
	}{
		{"no name", list.Config{}, "a list needs a name"},
		{"two sources", list.Config{Name: "x", File: "f", URL: "https://example.com/"}, "exclude each other"},
		{"too often", list.Config{Name: "x", URL: "https://example.com/", Every: time.Second}, "every 1s is more often than 1m0s"},
		{"plain http", list.Config{Name: "x", URL: "http://example.com/l"}, "http://example.com/l is not an https URL"},
		{"no URL", list.Config{Name: "x", URL: "ftp://example.com/"}, "is not an https URL"},
		{"credentials are not shown", list.Config{Name: "x", URL: "http://u:secret@example.com/"}, "u:xxxxx@"},
		{"ranges", list.Config{Name: "x", Ranges: []string{"192.0.2.1", "192.0.2.1/8"}}, `list x: "192.0.2.1/8" has host bits set`},
		{"no file", list.Config{Name: "x", File: bad + ".no"}, "bad.txt.no"},
		{"the line of a file", list.Config{Name: "x", File: bad}, `bad.txt: line 2: "nonsense" is not an address`},
		{"a file too large", list.Config{Name: "x", File: bad, MaxSize: 5}, "is larger than 5 bytes"},
	}
	for _, tt := range tests {
		_, err := list.Open(tt.cfg)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want …%s…", tt.name, err, tt.want)
		}
	}
	for _, url := range []string{"http://127.0.0.1:1/x", "http://[::1]/x", "http://localhost/x"} {
		if err := (list.Config{Name: "x", URL: url}).Validate(); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestKey(t *testing.T) {
	a := list.Config{Name: "x", File: "f"}
	b := a
	b.Poll, b.Log = list.DefaultPoll, zap.NewExample()
	c := a
	c.File = "g"
	if a.Key() != b.Key() || a.Key() == c.Key() {
		t.Error("a key is of what the list is, with its defaults")
	}
}

func TestRanges(t *testing.T) {
	l := open(t, list.Config{Name: "office", Ranges: []string{"192.0.2.0/28", "2001:db8::/32"}})
	l.Start()
	if !has(l, "192.0.2.3") || has(l, "192.0.2.16") || l.State().Ranges != 2 || l.State().Source != "configuration" {
		t.Errorf("state %+v", l.State())
	}
	if bits, ok := l.Match(netip.MustParseAddr("192.0.2.3")); bits != 28 || !ok {
		t.Errorf("Match = %d, %t", bits, ok)
	}
}

// A file is followed: a new one is taken, a bad one and a missing one change
// nothing but the state, and each is one log line.
func TestFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "deny.txt")
		replace(t, path, "192.0.2.1\n")
		log, logs := logger()
		l := open(t, list.Config{Name: "deny", File: path, Log: log})
		l.Start()
		l.Start()
		poll := func() { time.Sleep(list.DefaultPoll); synctest.Wait() }

		replace(t, path, "192.0.2.2\n192.0.2.9/24\n")
		poll()
		if s := l.State(); !has(l, "192.0.2.2") || s.Ranges != 2 || s.HostBits != 1 || !s.Since.Equal(time.Now()) {
			t.Fatalf("after a replacement: %+v", s)
		}

		since := l.State().Since
		replace(t, path, "192.0.2.3\n<html>\n")
		poll()
		poll()
		s := l.State()
		if !has(l, "192.0.2.2") || !strings.Contains(s.Error, "deny.txt: line 2") || s.Failures != 2 || !s.Since.Equal(since) {
			t.Fatalf("after a bad line: %+v", s)
		}
		if n := logs.FilterMessageSnippet("not updated").Len(); n != 1 {
			t.Errorf("%d log lines for one bad file", n)
		}

		replace(t, path, "203.0.113.1\n")
		poll()
		if s := l.State(); !has(l, "203.0.113.1") || has(l, "192.0.2.2") || s.Error != "" || s.Failures != 0 {
			t.Fatalf("after the mending: %+v", s)
		}
		if n := logs.FilterMessageSnippet("good again").Len(); n != 1 {
			t.Errorf("%d log lines for the mending", n)
		}

		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		poll()
		if s := l.State(); !has(l, "203.0.113.1") || s.Error == "" {
			t.Fatalf("after the removal: %+v", s)
		}
		replace(t, path, "203.0.113.1\n203.0.113.2\n")
		poll()
		poll() // the system may give it the identity of the one removed: it has to keep still
		if !has(l, "203.0.113.2") {
			t.Fatal("the file that came back is not read")
		}
	})
}

// Readers and reloads at the same time, for the race detector: a reader sees
// the old set or the new one, never none.
func TestReadersDuringReloads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l.txt")
	replace(t, path, "192.0.2.1\n")
	l := open(t, list.Config{Name: "l", File: path})
	stop := make(chan struct{})
	done := make(chan int)
	go func() {
		missed := 0
		for {
			select {
			case <-stop:
				done <- missed
				return
			default:
				if !has(l, "192.0.2.1") {
					missed++
				}
				_ = l.State()
			}
		}
	}()
	for i := range 50 {
		replace(t, path, strings.Repeat("\n", i)+"192.0.2.1\n192.0.2.2\n")
		if err := l.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	if n := <-done; n > 0 {
		t.Errorf("%d reads found no set", n)
	}
}
