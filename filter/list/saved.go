package list

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-portico/portico/filter/address"
)

// meta is the first line of a saved copy, in JSON; the list follows as it was
// sent. It is one file, so that the two cannot be of different fetches, and it
// is replaced by a rename, so that a crash leaves the old one or the new one.
type meta struct {
	URL          string `json:"url"`
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
	SHA256       string `json:"sha256"` // of the list: a disk may keep half of a file
	// Checked is when the source last confirmed the list. In the file it is the
	// modification time, so that a confirmation does not write the list again.
	Checked time.Time `json:"-"`
}

// condition makes a request conditional on what is known (RFC 9110 §13.1).
func (m meta) condition(h http.Header) {
	if m.ETag != "" {
		h.Set("If-None-Match", m.ETag)
	}
	if m.LastModified != "" {
		h.Set("If-Modified-Since", m.LastModified)
	}
}

const maxMeta = 16 << 10 // bytes of the first line

// readSaved returns a nil set if there is no copy of this URL.
func readSaved(cfg Config) (m meta, set *address.Set, report address.Report, err error) {
	file, err := cfg.FS.Open(cfg.savedPath())
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil, report, nil
	}
	if err != nil {
		return m, nil, report, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return m, nil, report, err
	}
	m, body, err := splitSaved(file, cfg.MaxSize)
	if err != nil || m.URL != cfg.URL {
		return m, nil, report, err
	}
	m.Checked = info.ModTime()
	set, report, err = cfg.Parse(bytes.NewReader(body))
	return m, set, report, err
}

func splitSaved(r io.Reader, limit int64) (m meta, body []byte, err error) {
	buffered := bufio.NewReaderSize(r, maxMeta)
	line, err := buffered.ReadSlice('\n')
	if err != nil {
		return m, nil, fmt.Errorf("its first line: %w", err)
	}
	if err := json.Unmarshal(line, &m); err != nil {
		return m, nil, fmt.Errorf("its first line: %w", err)
	}
	body, err = io.ReadAll(io.LimitReader(buffered, limit+1))
	if err == nil && m.SHA256 != sum(body) {
		err = errors.New("it is not what was saved: its checksum differs")
	}
	return m, body, err
}

func sum(body []byte) string {
	s := sha256.Sum256(body)
	return hex.EncodeToString(s[:])
}

// save replaces the copy: written beside it, synced, renamed.
func save(cfg Config, m meta, body []byte) error {
	if cfg.Dir == "" {
		return nil
	}
	if err := cfg.FS.MkdirAll(cfg.Dir); err != nil {
		return err
	}
	m.SHA256 = sum(body)
	line, err := json.Marshal(m)
	if err != nil {
		return err
	}
	path := cfg.savedPath()
	temp, err := cfg.FS.CreateTemp(cfg.Dir, filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	err = writeAll(temp, append(line, '\n'), body)
	if err == nil {
		err = cfg.FS.Rename(temp.Name(), path)
	}
	if err != nil {
		_ = cfg.FS.Remove(temp.Name()) // the first error says what is wrong
		return err
	}
	return touchSaved(cfg, m.Checked)
}

func writeAll(f TempFile, parts ...[]byte) error {
	var err error
	for _, part := range parts {
		if err == nil {
			_, err = f.Write(part)
		}
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func touchSaved(cfg Config, checked time.Time) error {
	if cfg.Dir == "" {
		return nil
	}
	return cfg.FS.Chtimes(cfg.savedPath(), checked)
}

// noteSave notes whether the last good copy is on the disk; one log line says
// so when that changes. A list that cannot be saved is in force all the same.
func (l *List) noteSave(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	before := l.State().SaveError
	l.update(func(s *State) { s.SaveError = text })
	if err != nil && before == "" {
		l.cfg.Log.Error("address list not saved, a start without network will not have it",
			zap.String("list", l.cfg.Name), zap.String("dir", l.cfg.Dir), zap.Error(err))
	}
}

func (l *List) logUnreadable(err error) {
	l.cfg.Log.Warn("saved address list is unreadable, it will be fetched again",
		zap.String("list", l.cfg.Name), zap.String("file", l.cfg.savedPath()), zap.Error(err))
}
