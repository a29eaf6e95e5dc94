package list

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// A fileSource follows a file by its modification time, size and identity, so
// that a file that took its place by a rename is seen too.
type fileSource struct {
	loaded fs.FileInfo // what the set in force was read from
	failed fs.FileInfo // what was read and is wrong: not to be read again
	seen   fs.FileInfo // what the last look saw
}

func (f *fileSource) load(l *List) error {
	info, err := l.cfg.FS.Stat(l.cfg.File)
	if err != nil {
		return err
	}
	return f.read(l, info)
}

func (f *fileSource) wait(l *List, _ int) time.Duration { return l.cfg.Poll }

// refresh reads the file if it is another one, or has changed and then kept
// still for one look: a file that is being written in place is not read in the
// middle, while a rename, which is how files should be replaced, acts at once.
func (f *fileSource) refresh(_ context.Context, l *List) error {
	info, err := l.cfg.FS.Stat(l.cfg.File)
	if err != nil {
		f.seen = nil
		return err
	}
	before := f.seen
	f.seen = info
	switch {
	case same(info, f.loaded):
		f.failed = nil
		return nil
	case same(info, f.failed):
		return nil
	case f.loaded != nil && os.SameFile(info, f.loaded) && !same(info, before):
		return nil
	}
	return f.read(l, info)
}

func (f *fileSource) read(l *List, info fs.FileInfo) error {
	file, err := l.cfg.FS.Open(l.cfg.File)
	if err != nil {
		return err
	}
	defer file.Close()
	body, err := io.ReadAll(io.LimitReader(file, l.cfg.MaxSize+1))
	if err != nil {
		return err
	}
	if int64(len(body)) > l.cfg.MaxSize {
		return fmt.Errorf("%s is larger than %d bytes", l.cfg.File, l.cfg.MaxSize)
	}
	set, report, err := l.cfg.Parse(bytes.NewReader(body))
	if err != nil {
		f.failed = info
		return fmt.Errorf("%s: %w", l.cfg.File, err)
	}
	f.loaded, f.failed, f.seen = info, nil, info
	l.adopt(set, report, time.Now())
	return nil
}

func same(a, b fs.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
