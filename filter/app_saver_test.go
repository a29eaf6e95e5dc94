package filter

import (
	"errors"
	"io/fs"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-portico/portico/filter/ban"
)

// memoryFS is a file system whose operations fail on demand.
type memoryFS struct {
	mu     sync.Mutex
	files  map[string]string
	fails  map[string]error // by operation
	writes int
}

func (m *memoryFS) do(operation string, f func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fails[operation]; err != nil {
		return err
	}
	return f()
}

func (m *memoryFS) fail(operation string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fails[operation] = err
}

func (m *memoryFS) ReadFile(name string) (data []byte, err error) {
	err = m.do("read", func() error {
		text, ok := m.files[name]
		if !ok {
			return fs.ErrNotExist
		}
		data = []byte(text)
		return nil
	})
	return data, err
}

func (m *memoryFS) WriteFile(name string, data []byte) error {
	return m.do("write", func() error { m.writes++; m.files[name] = string(data); return nil })
}

func (m *memoryFS) Rename(from, to string) error {
	return m.do("rename", func() error {
		text, ok := m.files[from]
		if !ok {
			return fs.ErrNotExist
		}
		delete(m.files, from)
		m.files[to] = text
		return nil
	})
}

func (m *memoryFS) Remove(name string) error {
	return m.do("remove", func() error { delete(m.files, name); return nil })
}

func (m *memoryFS) written() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writes
}

type savedBans struct {
	*saver
	fsys *memoryFS
	logs *observer.ObservedLogs
}

func newSaver(t *testing.T, fsys *memoryFS) savedBans {
	core, logs := observer.New(zapcore.InfoLevel)
	s := &saver{
		path: filepath.Join(t.TempDir(), "bans.json"), ledger: ban.New(0), fsys: fsys, log: zap.New(core), quit: make(chan struct{}),
	}
	return savedBans{s, fsys, logs}
}

func newFS() *memoryFS { return &memoryFS{files: map[string]string{}, fails: map[string]error{}} }

func (s savedBans) ban(t *testing.T, address string) {
	t.Helper()
	if _, err := s.ledger.Add(netip.MustParsePrefix(address), time.Hour, "", time.Now()); err != nil {
		t.Fatal(err)
	}
}

// Bans are written when there are new ones, at the interval and at the end.
func TestSaverSaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSaver(t, newFS())
		s.start()
		wait := func(want int) {
			t.Helper()
			time.Sleep(saveEvery + 1)
			synctest.Wait()
			if n := s.fsys.written(); n != want {
				t.Errorf("written %d times, want %d", n, want)
			}
		}
		wait(1) // what was there before saving began
		wait(1)
		s.ban(t, "192.0.2.1/32")
		wait(2)
		wait(2)
		s.ledger.Remove(netip.MustParsePrefix("192.0.2.1/32"), time.Now())
		wait(3)
		s.ban(t, "192.0.2.2/32")
		s.stop()
		again := newSaver(t, s.fsys)
		again.path = s.path
		again.start()
		defer again.stop()
		for address, want := range map[string]bool{"192.0.2.1": false, "192.0.2.2": true} {
			if _, banned := again.ledger.Lookup(netip.MustParseAddr(address), time.Now()); banned != want {
				t.Errorf("%s: banned = %t, want %t", address, banned, want)
			}
		}
	})
}

// A disk that fails costs one line of the log, and nothing once it works again.
func TestSaverDiskFails(t *testing.T) {
	for _, operation := range []string{"write", "rename"} {
		synctest.Test(t, func(t *testing.T) {
			s := newSaver(t, newFS())
			s.start()
			s.ban(t, "192.0.2.1/32")
			s.fsys.fail(operation, errors.New("disk is full"))
			time.Sleep(5 * saveEvery)
			synctest.Wait()
			if n := s.logs.FilterMessageSnippet("not saved").Len(); n != 1 || s.errors.Load() < 4 {
				t.Errorf("%s: %d lines of %d failures, want 1", operation, n, s.errors.Load())
			}
			s.fsys.fail(operation, nil)
			time.Sleep(saveEvery)
			synctest.Wait()
			if s.logs.FilterMessageSnippet("saved again").Len() != 1 || !strings.Contains(s.fsys.files[s.path], "192.0.2.1") {
				t.Errorf("%s: not saved when the disk works again: %v", operation, s.logs.All())
			}
			s.stop()
		})
	}
}

// What cannot be read is put aside; if that fails too it is left alone.
func TestSaverUnreadable(t *testing.T) {
	const strange = `{"version":99}`
	s := newSaver(t, newFS())
	s.fsys.files[s.path] = strange
	s.start()
	s.ban(t, "192.0.2.1/32")
	s.stop()
	if s.fsys.files[s.path+".unreadable"] != strange || !strings.Contains(s.fsys.files[s.path], "192.0.2.1") {
		t.Errorf("files: %v", s.fsys.files)
	}

	s = newSaver(t, newFS())
	s.fsys.files[s.path] = strange
	s.fsys.fail("rename", errors.New("read-only"))
	s.start()
	s.fsys.fail("rename", nil)
	s.ban(t, "192.0.2.1/32")
	s.stop()
	if s.fsys.files[s.path] != strange || s.logs.FilterMessageSnippet("not loaded, and not saved").Len() != 1 {
		t.Errorf("files: %v, log: %v", s.fsys.files, s.logs.All())
	}
}
