package list

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-portico/portico/filter/address"
)

// A List is a set of addresses that follows its source. It is safe for
// concurrent use, and an address.Matcher.
type List struct {
	cfg Config
	set atomic.Pointer[address.Set]

	refreshing sync.Mutex // one refresh at a time; guards the fields of source
	source     source

	mu struct { // guards state
		sync.Mutex
		state State
	}

	start  sync.Once
	cancel context.CancelFunc
	ctx    context.Context
	done   sync.WaitGroup
}

// A State is what is known of a list: for metrics, the admin API and logs.
type State struct {
	Name   string `json:"name"`
	Source string `json:"source"`
	Ranges int    `json:"ranges"`
	// HostBits counts ranges like 192.0.2.1/24, taken as the whole range.
	HostBits int `json:"host_bits,omitempty"`
	// Since is when the set in force was loaded; zero: there never was one.
	Since time.Time `json:"since,omitzero"`
	// Checked is when the source last confirmed or changed it: the age of a
	// list is the time since then.
	Checked  time.Time `json:"checked,omitzero"`
	Next     time.Time `json:"next,omitzero"` // when the source is asked again
	Failures int       `json:"failures"`      // in a row
	Error    string    `json:"error,omitempty"`
	ErrorAt  time.Time `json:"error_at,omitzero"`
	// SaveError is why the last good copy is not on the disk; the list itself
	// is in force.
	SaveError string `json:"save_error,omitempty"`
}

// A source is where a list comes from.
type source interface {
	// load reads what is local, without a network.
	load(l *List) error
	// refresh looks whether the source has something new.
	refresh(ctx context.Context, l *List) error
	// wait is the time until the next refresh, after so many failures in a row.
	wait(l *List, failures int) time.Duration
}

// Open makes a list and reads what is local: the ranges, the file, or the last
// good copy of the URL. A mistake in the ranges or in the file is an error that
// names it; a copy that cannot be read is a log line, since the URL replaces it.
func Open(cfg Config) (*List, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	l := &List{cfg: cfg.withDefaults()}
	l.mu.state = State{Name: cfg.Name, Source: cfg.Source()}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	switch {
	case cfg.File != "":
		l.source = &fileSource{}
	case cfg.URL != "":
		l.source = &urlSource{}
	default:
		l.source = configSource{}
	}
	if err := l.source.load(l); err != nil {
		l.cancel()
		return nil, fmt.Errorf("list %s: %w", cfg.Name, err)
	}
	return l, nil
}

// Contains reports whether the set in force covers ip.
func (l *List) Contains(ip netip.Addr) bool { return l.set.Load().Contains(ip) }

// Match returns the length of the longest prefix that covers ip.
func (l *List) Match(ip netip.Addr) (bits int, ok bool) { return l.set.Load().Match(ip) }

// Set returns the set in force. It may be nil, the empty set.
func (l *List) Set() *address.Set { return l.set.Load() }

// State returns what is known of the list now.
func (l *List) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.state
}

// Start begins to follow the source in the background. Further calls do nothing.
func (l *List) Start() {
	if _, never := l.source.(configSource); never {
		return
	}
	l.start.Do(func() { l.done.Go(l.follow) })
}

// Refresh looks at the source now, whatever its interval, and returns what went
// wrong. The set in force then stays what it was.
func (l *List) Refresh(ctx context.Context) error {
	l.refreshing.Lock()
	defer l.refreshing.Unlock()
	err := l.source.refresh(ctx, l)
	if ctx.Err() != nil && l.ctx.Err() != nil {
		return err // the end of the list is no failure of its source
	}
	l.note(err)
	return err
}

// Destruct ends the following and waits for it. The set stays readable.
func (l *List) Destruct() error {
	l.cancel()
	l.done.Wait()
	return nil
}

func (l *List) follow() {
	for {
		wait := l.wait()
		l.update(func(s *State) { s.Next = time.Now().Add(wait) })
		timer := time.NewTimer(wait)
		select {
		case <-l.ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			_ = l.Refresh(l.ctx) // noted in the state
		}
	}
}

func (l *List) wait() time.Duration {
	l.refreshing.Lock()
	defer l.refreshing.Unlock()
	return l.source.wait(l, l.State().Failures)
}

func (l *List) update(change func(*State)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.mu.state)
}

// adopt puts a set in force.
func (l *List) adopt(set *address.Set, report address.Report, checked time.Time) {
	l.set.Store(set)
	l.update(func(s *State) {
		s.Ranges, s.HostBits = set.Len(), report.HostBits
		s.Since, s.Checked = time.Now(), checked
	})
}

// note writes the outcome of a refresh to the state, and one log line when it
// differs from the one before.
func (l *List) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.mu.state
	fields := []zap.Field{
		zap.String("list", s.Name), zap.String("source", s.Source), zap.Int("ranges", s.Ranges),
	}
	if err == nil {
		if s.Error != "" {
			l.cfg.Log.Info("address list is good again", fields...)
		}
		s.Failures, s.Error, s.ErrorAt = 0, "", time.Time{}
		return
	}
	if err.Error() != s.Error {
		l.cfg.Log.Error("address list not updated, the last good one stays in force",
			append(fields, zap.Time("since", s.Since), zap.Error(err))...)
	}
	s.Failures++
	s.Error, s.ErrorAt = err.Error(), time.Now()
}

// A configSource never changes.
type configSource struct{}

func (configSource) load(l *List) error {
	set, err := address.Of(l.cfg.Ranges...)
	if err != nil {
		return err
	}
	l.adopt(set, address.Report{}, time.Now())
	return nil
}

func (configSource) refresh(context.Context, *List) error { return nil }
func (configSource) wait(*List, int) time.Duration        { return 0 }

var _ address.Matcher = (*List)(nil)
