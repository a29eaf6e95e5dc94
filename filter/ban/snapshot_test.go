package ban

import (
	"errors"
	"io/fs"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// What holds comes back, with the repeats; what has ended since does not.
func TestSaveAndLoad(t *testing.T) {
	name := filepath.Join(t.TempDir(), "bans.json")
	policy := Policy{After: 1, Within: time.Minute, For: 10 * time.Minute, UpTo: time.Hour}
	l := New(0)
	mustAdd(t, l, "10.0.0.0/8", time.Hour, epoch)
	mustAdd(t, l, "2001:db8::/32", time.Minute, epoch)
	strike(t, newStrikes(t, l, policy), client, epoch)
	if err := l.Save(OS, name, epoch); err != nil {
		t.Fatal(err)
	}
	later := epoch.Add(5 * time.Minute)
	restored := New(0)
	if err := restored.Load(OS, name, later); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l.List(later), restored.List(later), cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Errorf("bans (-want +got):\n%s", diff)
	}
	if n := restored.Len(); n != 2 {
		t.Errorf("%d bans, want 2", n)
	}
	if got, _ := strike(t, newStrikes(t, restored, policy), client, epoch.Add(10*time.Minute)); got != 20*time.Minute {
		t.Errorf("banned for %v, want 20m: the repeat is remembered", got)
	}
}

func TestLoadOfNothing(t *testing.T) {
	if err := New(0).Load(OS, filepath.Join(t.TempDir(), "none"), epoch); err != nil {
		t.Error(err)
	}
}

// memory is a file system that fails on demand.
type memory struct {
	files map[string]string
	fail  string // the operation that fails
	half  bool   // WriteFile writes a half before it does
}

var errDisk = errors.New("no space left")

func (m *memory) ReadFile(name string) ([]byte, error) {
	if m.fail == "read" {
		return nil, errDisk
	}
	data, ok := m.files[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return []byte(data), nil
}

func (m *memory) WriteFile(name string, data []byte) error {
	if m.fail == "write" {
		if m.half {
			m.files[name] = string(data[:len(data)/2])
		}
		return errDisk
	}
	m.files[name] = string(data)
	return nil
}

func (m *memory) Rename(from, to string) error {
	if m.fail == "rename" {
		return errDisk
	}
	m.files[to] = m.files[from]
	delete(m.files, from)
	return nil
}

func (m *memory) Remove(name string) error {
	delete(m.files, name)
	return nil
}

// A Save that fails leaves the file as it was, and nothing beside it.
func TestSaveFails(t *testing.T) {
	for _, m := range []*memory{{fail: "write"}, {fail: "write", half: true}, {fail: "rename"}} {
		m.files = map[string]string{"bans": "before"}
		l := New(0)
		mustAdd(t, l, "10.0.0.0/8", time.Hour, epoch)
		if err := l.Save(m, "bans", epoch); !errors.Is(err, errDisk) {
			t.Errorf("%+v: %v, want the disk's error", m, err)
		}
		if diff := cmp.Diff(map[string]string{"bans": "before"}, m.files); diff != "" {
			t.Errorf("%s: files (-want +got):\n%s", m.fail, diff)
		}
	}
}

// A damaged file is an error, and changes nothing.
func TestLoadRefuses(t *testing.T) {
	for row, data := range map[string]string{
		"empty":     ``,
		"cut":       `{"version":1,"bans":[{"prefix":"10.0.0.0/8","fr`,
		"newer":     `{"version":2,"bans":[]}`,
		"no ban":    `{"version":1,"bans":[{"prefix":"10.0.0.0/8"}]}`,
		"no prefix": `{"version":1,"bans":[{"prefix":"","from":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z"}]}`,
		"too long":  `{"version":1,"bans":[{"prefix":"10.0.0.0/8","from":"2026-01-01T00:00:00Z","until":"2126-01-02T00:00:00Z"}]}`,
		"repeats":   `{"version":1,"repeats":[{"prefix":"10.0.0.0/8","end":"2026-01-01T00:00:00Z","length":0}]}`,
		"text":      `not found`,
	} {
		l := New(0)
		mustAdd(t, l, "192.0.2.0/24", time.Hour, epoch)
		err := l.Load(&memory{files: map[string]string{"bans": data}}, "bans", epoch)
		if err == nil || !strings.Contains(err.Error(), "loading bans") {
			t.Errorf("%s: %v, want an error", row, err)
		}
		if l.Len() != 1 {
			t.Errorf("%s: %d bans, want the one from before", row, l.Len())
		}
	}
	if err := New(0).Load(&memory{fail: "read"}, "bans", epoch); !errors.Is(err, errDisk) {
		t.Errorf("unreadable: %v", err)
	}
}

// FuzzLoad: whatever a file holds, nothing panics, and what was read can be
// written and read again.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{"version":1,"bans":[{"prefix":"10.0.0.0/8","from":"2025-12-31T00:00:00Z","until":"2026-01-02T00:00:00Z","level":3,"automatic":true}],"repeats":[{"prefix":"10.0.0.0/8","end":"2026-01-01T00:00:00Z","length":60000000000,"level":3}]}`))
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, m := New(0), &memory{files: map[string]string{"bans": string(data)}}
		if l.Load(m, "bans", epoch) != nil {
			if l.Len() != 0 {
				t.Error("bans of a file that was refused")
			}
			return
		}
		if err := l.Save(m, "bans", epoch); err != nil {
			t.Fatal(err)
		}
		again := New(0)
		if err := again.Load(m, "bans", epoch); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(l.List(epoch), again.List(epoch), cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
			t.Errorf("bans (-first +again):\n%s", diff)
		}
	})
}
