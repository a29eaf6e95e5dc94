// Package redis keeps a connection to a Redis or Valkey that requests may depend
// on without suffering from it.
//
// What is promised:
//   - An operation takes no longer than its timeout, 50 ms at most, whatever the
//     server or the network does.
//   - After some failures in a row the connection is down: operations fail at once,
//     with ErrDown, until a probe in the background has succeeded. There is one
//     probe at a time, with growing pauses.
//   - Opening neither blocks nor fails: a server that is not there yet is down.
//   - A change between up and down is told once (Options.OnState).
//   - No operation is repeated by itself: a script may have run though its answer
//     was lost.
package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// MaxTimeout bounds an operation, and is its default.
const MaxTimeout = 50 * time.Millisecond

// ErrDown is what operations return while the connection is down, without trying.
var ErrDown = errors.New("redis is down")

const (
	failuresUntilDown = 3
	dialTimeout       = time.Second
	firstPause        = 50 * time.Millisecond
	longestPause      = 2 * time.Second
	stableAfter       = 10 * time.Second // up for so long, the next pause is a first one
)

// Options of a connection.
type Options struct {
	Timeout time.Duration // of an operation; 0, or more than MaxTimeout, is MaxTimeout
	Prefix  string        // of all keys; "" is DefaultPrefix

	// OnState is called when the connection comes up or goes down, with what it
	// failed of; never twice at the same time. It must not call Close.
	OnState func(up bool, cause error)
}

// A Conn is a guarded connection. Its methods may be called from many goroutines
// at once.
type Conn struct {
	option  rueidis.ClientOption
	timeout time.Duration
	prefix  string
	onState func(bool, error)

	client   atomic.Pointer[rueidis.Client] // set once, when it first connects
	up       atomic.Bool
	errors   atomic.Int64
	failures failures

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	down    chan error // wakes the probe, with the cause
	probing sync.WaitGroup
	tried   chan struct{} // closed after the first attempt
}

// Open begins to connect. The error is that of CheckPrefix.
func Open(t Target, o Options) (*Conn, error) {
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if err := CheckPrefix(o.Prefix); err != nil {
		return nil, err
	}
	if o.Timeout <= 0 || o.Timeout > MaxTimeout {
		o.Timeout = MaxTimeout
	}
	if o.OnState == nil {
		o.OnState = func(bool, error) {}
	}
	c := &Conn{
		option: t.option, timeout: o.Timeout, prefix: o.Prefix, onState: o.OnState,
		down: make(chan error, 1), tried: make(chan struct{}),
	}
	c.option.DisableCache = true
	c.option.DisableRetry = true
	c.option.PipelineMultiplex = -1 // one connection: what the probe used, operations use
	c.option.ClientName = "portico"
	c.option.Dialer.Timeout = dialTimeout
	c.option.ConnWriteTimeout = dialTimeout
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.probing.Go(c.watch)
	return c, nil
}

// DefaultPrefix begins all keys if nothing else is said.
const DefaultPrefix = "portico:"

// CheckPrefix returns an error for a prefix that keys must not begin with: braces
// decide on which node of a cluster a key lies.
func CheckPrefix(prefix string) error {
	if strings.ContainsAny(prefix, "{}\r\n\t ") || len(prefix) > 128 {
		return fmt.Errorf("%q as a prefix of keys: braces, spaces, and more than 128 bytes, are not allowed", prefix)
	}
	return nil
}

// Prefix is what keys begin with.
func (c *Conn) Prefix() string { return c.prefix }

func dialUnix(ctx context.Context, path string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
	return d.DialContext(ctx, "unix", path)
}

// Close ends the connection; operations fail from then on.
func (c *Conn) Close() {
	c.cancel()
	c.probing.Wait()
	c.up.Store(false)
	if client := c.client.Load(); client != nil {
		(*client).Close()
	}
}

// Ready waits for the first attempt to connect and reports whether it is up.
func (c *Conn) Ready(ctx context.Context) bool {
	select {
	case <-c.tried:
	case <-ctx.Done():
	}
	return c.Up()
}

// Up reports whether operations are tried.
func (c *Conn) Up() bool { return c.up.Load() }

// Errors is the number of operations that were tried and failed.
func (c *Conn) Errors() int64 { return c.errors.Load() }

// A Script is a Lua script that the server keeps after its first run.
type Script struct{ lua *rueidis.Lua }

// NewScript makes a Script of its source.
func NewScript(source string) *Script { return &Script{rueidis.NewLuaScript(source)} }

// Ints runs a script that returns a list of integers. All keys must be in one
// hash slot, as `{…}` in them makes sure.
func (c *Conn) Ints(ctx context.Context, s *Script, keys, args []string) (list []int64, err error) {
	err = c.run(ctx, s, keys, args, func(r rueidis.RedisResult) (err error) {
		list, err = r.AsIntSlice()
		return err
	})
	return list, err
}

// Strings runs a script that returns a list of strings.
func (c *Conn) Strings(ctx context.Context, s *Script, keys, args []string) (list []string, err error) {
	err = c.run(ctx, s, keys, args, func(r rueidis.RedisResult) (err error) {
		list, err = r.AsStrSlice()
		return err
	})
	return list, err
}

func (c *Conn) run(ctx context.Context, s *Script, keys, args []string, read func(rueidis.RedisResult) error) error {
	if !c.up.Load() {
		return ErrDown
	}
	begin := time.Now()
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	err := read(s.lua.Exec(limited, *c.client.Load(), keys, args))
	switch {
	case err == nil:
		c.failures.reset()
	case ctx.Err() != nil: // who asked has gone: that is no fault of the server
	default:
		c.errors.Add(1)
		if c.failures.add(begin) && c.up.CompareAndSwap(true, false) {
			c.down <- err
		}
	}
	return err
}

// failures counts those that came one after the other: of operations that ran at
// the same time, and so failed of the same stall, one counts.
type failures struct {
	mu   sync.Mutex
	row  int
	last time.Time
	some atomic.Bool // whether row is above 0, for reset to look at first
}

// add counts the failure of an operation that began at a time, and reports whether
// it was the last one allowed.
func (f *failures) add(begin time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if begin.Before(f.last) {
		return false
	}
	f.row++
	f.last = time.Now()
	f.some.Store(true)
	return f.row >= failuresUntilDown
}

func (f *failures) reset() {
	if !f.some.Load() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.row = 0
	f.some.Store(false)
}
