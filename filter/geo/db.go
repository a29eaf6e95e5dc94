package geo

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
	"go.uber.org/zap"

	"github.com/caddy-portico/portico/filter/watch"
)

// DefaultPoll is how often a database file is looked at: they are published
// daily at most.
const DefaultPoll = time.Minute

// A DB is a database file in use. It is safe for concurrent use.
type DB struct {
	cfg   Config
	table atomic.Pointer[table]

	refreshing sync.Mutex // guards file and bad
	file       watch.File
	bad        error // what is wrong in the file as it was read last

	mu struct { // guards state
		sync.Mutex
		state State
	}

	start  sync.Once
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// Open reads a database. A file that is missing or broken is an error.
func Open(cfg Config) (*DB, error) {
	if cfg.Poll <= 0 {
		cfg.Poll = DefaultPoll
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	d := &DB{cfg: cfg, file: watch.File{Path: cfg.File}}
	d.mu.state.File = cfg.File
	d.ctx, d.cancel = context.WithCancel(context.Background())
	if err := d.refresh(); err != nil { // not noted: there is no last good one
		d.cancel()
		return nil, fmt.Errorf("database of places: %w", err)
	}
	return d, nil
}

// Lookup returns what the database knows of ip: a walk of its tree and one
// look-up in a map; nothing is decoded.
func (d *DB) Lookup(ip netip.Addr) Place { return d.table.Load().lookup(ip) }

// Start begins to follow the file in the background. Further calls do nothing.
func (d *DB) Start() { d.start.Do(func() { d.done.Go(d.follow) }) }

// Refresh looks at the file now, reads it if it has changed, and returns what
// went wrong. The database in force then stays what it was.
func (d *DB) Refresh(context.Context) error {
	d.refreshing.Lock()
	defer d.refreshing.Unlock()
	err := d.refresh()
	d.note(err)
	return err
}

// State returns what is known of the database now.
func (d *DB) State() State {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mu.state
}

// Destruct ends the following and waits for it. Lookup keeps working.
func (d *DB) Destruct() error {
	d.cancel()
	d.done.Wait()
	return nil
}

func (d *DB) follow() {
	ticker := time.NewTicker(d.cfg.Poll)
	defer ticker.Stop()
	for {
		select {
		case <-d.ctx.Done():
			return
		case <-ticker.C:
			_ = d.Refresh(d.ctx) // noted in the state
		}
	}
}

func (d *DB) refresh() error {
	info, changed, err := d.file.Changed()
	if err != nil {
		return err
	}
	if !changed {
		return d.bad
	}
	data, err := os.ReadFile(d.cfg.File)
	if err != nil {
		return err
	}
	t, err := newTable(data)
	d.file.Read(info)
	d.bad = nil
	if err != nil {
		d.bad = fmt.Errorf("%s: %w", d.cfg.File, err)
		return d.bad
	}
	d.table.Store(t)
	d.mu.Lock()
	defer d.mu.Unlock()
	m := t.reader.Metadata
	s := &d.mu.state
	s.Type, s.Built, s.Nodes = m.DatabaseType, m.BuildTime(), m.NodeCount
	s.Since, s.Records = time.Now(), len(t.places)
	return nil
}

// note writes the outcome to the state, and one log line when it differs from
// the one before.
func (d *DB) note(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := &d.mu.state
	if err == nil {
		if s.Error != "" {
			d.cfg.Log.Info("database of places is good again", zap.String("file", s.File))
		}
		s.Error, s.ErrorAt = "", time.Time{}
		return
	}
	if err.Error() != s.Error {
		d.cfg.Log.Error("database of places not updated, the last good one stays in force",
			zap.String("file", s.File), zap.Time("since", s.Since), zap.Error(err))
	}
	s.Error, s.ErrorAt = err.Error(), time.Now()
}

// A table is a database whose records are decoded. Reading each distinct one
// when the file is loaded shows that the file is whole, and spares every lookup
// the decoding of a record of which two fields are needed.
type table struct {
	reader *maxminddb.Reader
	places map[uintptr]Place // by offset of the record
}

// errNoPlaces is the error of a database of something else.
var errNoPlaces = errors.New("no record has a country or an autonomous system")

func newTable(data []byte) (*table, error) {
	reader, err := maxminddb.OpenBytes(data)
	if err != nil {
		return nil, err
	}
	t := &table{reader: reader, places: map[uintptr]Place{}}
	useful := false
	for result := range reader.Networks() {
		if err := result.Err(); err != nil {
			return nil, err
		}
		offset := result.Offset()
		if _, known := t.places[offset]; known {
			continue
		}
		var r record
		if err := result.Decode(&r); err != nil {
			return nil, fmt.Errorf("record of %s: %w", result.Prefix(), err)
		}
		t.places[offset] = r.place
		useful = useful || r.place != Place{}
	}
	if !useful {
		return nil, errNoPlaces
	}
	return t, nil
}

func (t *table) lookup(ip netip.Addr) Place {
	if !ip.IsValid() {
		return Place{}
	}
	result := t.reader.Lookup(ip.Unmap().WithZone(""))
	if !result.Found() {
		return Place{}
	}
	return t.places[result.Offset()]
}

var _ Locator = (*DB)(nil)
