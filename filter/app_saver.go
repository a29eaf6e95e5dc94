package filter

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-portico/portico/filter/ban"
)

// saveEvery is how often bans are written to their file, if there are new ones:
// what happened since is lost if the process is killed.
const saveEvery = 10 * time.Second

// A saver keeps the bans of a ledger in a file: it reads them when it begins and
// writes them, if they have changed, at an interval and when it ends. What goes
// wrong is one line of the log, and tried again.
type saver struct {
	path   string
	ledger *ban.Ledger
	fsys   ban.FS
	log    *zap.Logger

	saved  int64 // the ledger's changes when it was written last
	failed bool
	errors atomic.Int64

	quit chan struct{}
	done sync.WaitGroup
}

func startSaver(l *ban.Ledger, path string, log *zap.Logger) *saver {
	s := &saver{path: path, ledger: l, fsys: ban.OS, log: log, quit: make(chan struct{})}
	s.start()
	return s
}

// start reads what was saved, before the first request can be let in, and begins
// to save.
func (s *saver) start() {
	s.saved = s.ledger.Changes() - 1 // bans from before saving was switched on
	if s.load() {
		s.done.Go(s.run)
	}
}

// load reports whether saving may begin: a file that cannot be read or
// understood, perhaps of a newer version, is put aside and not overwritten.
func (s *saver) load() bool {
	err := os.MkdirAll(filepath.Dir(s.path), 0o700)
	if err == nil {
		err = s.ledger.Load(s.fsys, s.path, time.Now())
	}
	if err == nil {
		return true
	}
	s.errors.Add(1)
	aside := s.path + ".unreadable"
	if moved := s.fsys.Rename(s.path, aside); moved != nil && !errors.Is(moved, fs.ErrNotExist) {
		s.log.Error("bans not loaded, and not saved", zap.String("file", s.path), zap.Error(errors.Join(err, moved)))
		return false
	}
	s.log.Error("bans not loaded, their file is put aside", zap.String("file", aside), zap.Error(err))
	return true
}

func (s *saver) run() {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.quit:
			s.save()
			return
		case <-tick.C:
			s.save()
		}
	}
}

func (s *saver) save() {
	changes := s.ledger.Changes()
	if changes == s.saved {
		return
	}
	err := s.ledger.Save(s.fsys, s.path, time.Now())
	if err != nil {
		s.errors.Add(1)
		if !s.failed {
			s.log.Error("bans not saved, trying again", zap.String("file", s.path), zap.Error(err))
		}
	} else {
		s.saved = changes
		if s.failed {
			s.log.Info("bans saved again", zap.String("file", s.path))
		}
	}
	s.failed = err != nil
}

// stop saves a last time.
func (s *saver) stop() {
	close(s.quit)
	s.done.Wait()
}
