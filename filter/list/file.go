package list

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/caddy-portico/portico/filter/watch"
)

// A fileSource follows a file.
type fileSource struct {
	file watch.File
	bad  error // what is wrong in the file as it was read last
}

func (f *fileSource) load(l *List) error {
	f.file = watch.File{Path: l.cfg.File, Stat: l.cfg.FS.Stat}
	return f.refresh(l.ctx, l)
}

func (f *fileSource) wait(l *List, _ int) time.Duration { return l.cfg.Poll }

// refresh reads the file if it has changed. One that is wrong is read once, and
// counts as a failure until it changes.
func (f *fileSource) refresh(_ context.Context, l *List) error {
	info, changed, err := f.file.Changed()
	if err != nil {
		return err
	}
	if !changed {
		if f.bad == nil {
			l.update(func(s *State) { s.Checked = time.Now() })
		}
		return f.bad
	}
	body, err := f.readAll(l)
	if err != nil {
		return err
	}
	set, report, err := l.cfg.Parse(bytes.NewReader(body))
	f.file.Read(info)
	f.bad = nil
	if err != nil {
		f.bad = fmt.Errorf("%s: %w", l.cfg.File, err)
		return f.bad
	}
	l.adopt(set, report, time.Now())
	return nil
}

func (f *fileSource) readAll(l *List) ([]byte, error) {
	file, err := l.cfg.FS.Open(l.cfg.File)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	body, err := io.ReadAll(io.LimitReader(file, l.cfg.MaxSize+1))
	if err == nil && int64(len(body)) > l.cfg.MaxSize {
		err = fmt.Errorf("%s is larger than %d bytes", l.cfg.File, l.cfg.MaxSize)
	}
	return body, err
}
