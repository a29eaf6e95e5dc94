package geo

import (
	"context"
	"errors"
	"net/netip"
)

// A DB is a database file in use. It is safe for concurrent use.
type DB struct{ cfg Config }

// Open reads a database. A file that is missing or broken is an error.
func Open(cfg Config) (*DB, error) { return nil, errors.New("not yet") }

// Lookup returns what the database knows of ip.
func (d *DB) Lookup(ip netip.Addr) Place { return Place{} }

// Start begins to follow the file in the background.
func (d *DB) Start() {}

// Refresh looks at the file now.
func (d *DB) Refresh(context.Context) error { return nil }

// State returns what is known of the database now.
func (d *DB) State() State { return State{} }

// Destruct ends the following and waits for it.
func (d *DB) Destruct() error { return nil }

var _ Locator = (*DB)(nil)
