package ban

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// A snapshot is a JSON document; version is raised when older readers could not
// read a newer one rightly.
const version = 1

type snapshot struct {
	Version int      `json:"version"`
	Bans    []Ban    `json:"bans"`
	Repeats []repeat `json:"repeats,omitempty"`
}

type repeat struct {
	Prefix netip.Prefix  `json:"prefix"`
	End    time.Time     `json:"end"`
	Length time.Duration `json:"length"` // nanoseconds
	Level  int           `json:"level"`
}

// FS is what Save and Load need of a file system; tests inject faults in it.
type FS interface {
	ReadFile(name string) ([]byte, error)
	// WriteFile creates a file that only this user may read, writes it and has it
	// on the disk when it returns.
	WriteFile(name string, data []byte) error
	Rename(from, to string) error
	Remove(name string) error
}

// OS is the file system of the machine.
var OS FS = osFS{}

type osFS struct{}

func (osFS) ReadFile(name string) ([]byte, error) { return os.ReadFile(name) }
func (osFS) Rename(from, to string) error         { return os.Rename(from, to) }
func (osFS) Remove(name string) error             { return os.Remove(name) }

func (osFS) WriteFile(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Save writes what holds now to a file, for Load: wholly, or else the file stays
// as it was. Two Saves of one file must not run at once.
func (l *Ledger) Save(fsys FS, name string, now time.Time) error {
	data, err := json.Marshal(l.snapshot(now))
	if err != nil {
		return fmt.Errorf("saving bans: %w", err)
	}
	temp := name + ".tmp"
	err = fsys.WriteFile(temp, append(data, '\n'))
	if err == nil {
		err = fsys.Rename(temp, name)
	}
	if err != nil {
		_ = fsys.Remove(temp)
		return fmt.Errorf("saving bans: %w", err)
	}
	return nil
}

func (l *Ledger) snapshot(now time.Time) snapshot {
	s := snapshot{Version: version, Bans: l.List(now)}
	l.writing.Lock()
	defer l.writing.Unlock()
	l.history.sweep(now)
	for p, r := range l.history.last {
		s.Repeats = append(s.Repeats, repeat{p, r.end, r.length, r.level})
	}
	return s
}

// Load takes over what Save wrote, without what has ended since. A file that does
// not exist is an empty one. Of a file that is damaged, or was written by a newer
// version, nothing is taken over: the error says so, and the ledger goes on as it
// is.
func (l *Ledger) Load(fsys FS, name string, now time.Time) error {
	data, err := fsys.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("loading bans: %w", err)
	}
	s, err := parse(data)
	if err != nil {
		return fmt.Errorf("loading bans of %s: %w", filepath.Base(name), err)
	}
	for _, b := range s.Bans {
		l.Merge(b, now)
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	for _, r := range s.Repeats {
		l.history.restore(r, now)
	}
	return nil
}

func parse(data []byte) (s snapshot, err error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if err = dec.Decode(&s); err != nil {
		return s, err
	}
	if s.Version != version {
		return s, fmt.Errorf("version %d is not %d", s.Version, version)
	}
	for _, b := range s.Bans {
		if _, err := normal(b.Prefix); err != nil {
			return s, fmt.Errorf("%q: %w", b.Prefix, err)
		}
		if !b.Until.After(b.From) || b.Until.Sub(b.From) > maxBan || b.Level < 0 || b.Level > 64 {
			return s, fmt.Errorf("%v: a ban from %v until %v", b.Prefix, b.From, b.Until)
		}
	}
	for _, r := range s.Repeats {
		if !r.Prefix.IsValid() || r.Length <= 0 || r.Length > maxBan || r.Level < 0 || r.Level > 64 {
			return s, fmt.Errorf("%v: %v of level %d", r.Prefix, r.Length, r.Level)
		}
	}
	return s, nil
}
