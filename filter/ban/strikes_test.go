package ban

import (
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func newStrikes(t testing.TB, l *Ledger, p Policy) *Strikes {
	t.Helper()
	s, err := NewStrikes(l, p, epoch)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var client = netip.MustParseAddr("192.0.2.1")

// strike until a ban comes; returns its duration and how many it took.
func strike(t *testing.T, s *Strikes, a netip.Addr, now time.Time) (time.Duration, int) {
	t.Helper()
	for n := 1; n <= 100; n++ {
		if b, ok := s.Strike(a, "test", now); ok {
			return b.Until.Sub(b.From), n
		}
	}
	t.Fatalf("no ban after 100 strikes at %v", now.Sub(epoch))
	return 0, 0
}

func TestAfterNInD(t *testing.T) {
	for _, after := range []int{1, 2, 5, 100} {
		l := New(0)
		s := newStrikes(t, l, Policy{After: after, Within: time.Minute, For: time.Hour})
		if d, n := strike(t, s, client, epoch); n != after || d != time.Hour {
			t.Errorf("after %d: banned for %v after %d", after, d, n)
		}
		if _, banned := l.Lookup(client, epoch); !banned {
			t.Error("the ledger does not know")
		}
		if _, again := s.Strike(client, "", epoch); again {
			t.Error("banned twice")
		}
	}
}

func TestStrikesLeaveTheWindow(t *testing.T) {
	s := newStrikes(t, New(0), Policy{After: 3, Within: time.Minute, For: time.Hour})
	for i := range 100 { // never three in a minute
		if _, banned := s.Strike(client, "", epoch.Add(time.Duration(i)*30*time.Second)); banned {
			t.Fatalf("banned by strike %d", i+1)
		}
	}
}

// IPv6: whoever has a /64 has all addresses of it.
func TestIPv6ByNetwork(t *testing.T) {
	l := New(0)
	s := newStrikes(t, l, Policy{After: 2, Within: time.Minute, For: time.Hour})
	s.Strike(netip.MustParseAddr("2001:db8::1"), "", epoch)
	b, banned := s.Strike(netip.MustParseAddr("2001:db8::2"), "", epoch)
	if !banned || b.Prefix != netip.MustParsePrefix("2001:db8::/64") {
		t.Errorf("banned = %t: %+v", banned, b)
	}
}

func TestEscalation(t *testing.T) {
	l := New(0)
	s := newStrikes(t, l, Policy{After: 1, Within: time.Minute, For: 10 * time.Minute, UpTo: time.Hour})
	now := epoch
	for _, want := range []time.Duration{10, 20, 40, 60, 60} { // minutes; again at once when it ends
		got, _ := strike(t, s, client, now)
		if got != want*time.Minute {
			t.Fatalf("banned for %v, want %v", got, want*time.Minute)
		}
		now = now.Add(got)
	}
	// An hour of quiet takes one level, half an hour more the next.
	if got, _ := strike(t, s, client, now.Add(60*time.Minute)); got != time.Hour {
		t.Errorf("after 1h of quiet: %v, want 1h", got)
	}
	now = now.Add(2 * time.Hour)
	if got, _ := strike(t, s, client, now.Add(91*time.Minute)); got != 40*time.Minute {
		t.Errorf("after 1h31m of quiet: %v, want 40m", got)
	}
	now = now.Add(131 * time.Minute)
	if got, _ := strike(t, s, client, now.Add(2*time.Hour)); got != 10*time.Minute {
		t.Errorf("after 2h of quiet: %v, want 10m as for the first time", got)
	}
}

func TestRemoveForgetsRepeats(t *testing.T) {
	l := New(0)
	s := newStrikes(t, l, Policy{After: 1, Within: time.Minute, For: time.Minute, UpTo: time.Hour})
	strike(t, s, client, epoch)
	l.Remove(Client(client), epoch)
	if got, _ := strike(t, s, client, epoch); got != time.Minute {
		t.Errorf("banned for %v, want 1m", got)
	}
}

func TestNoEscalation(t *testing.T) {
	s := newStrikes(t, New(0), Policy{After: 1, Within: time.Minute, For: time.Minute})
	for i := range 3 {
		if got, _ := strike(t, s, client, epoch.Add(time.Duration(i)*time.Minute)); got != time.Minute {
			t.Errorf("ban %d for %v, want 1m", i, got)
		}
	}
}

// However many requests are blocked at once, one of them is the one that bans.
func TestOneBanAtOnce(t *testing.T) {
	for range 20 {
		s := newStrikes(t, New(0), Policy{After: 10, Within: time.Minute, For: time.Minute})
		var bans atomic.Int64
		var all sync.WaitGroup
		for range 32 {
			all.Go(func() {
				if _, banned := s.Strike(client, "", epoch); banned {
					bans.Add(1)
				}
			})
		}
		all.Wait()
		if bans.Load() != 1 {
			t.Fatalf("%d bans, want 1", bans.Load())
		}
	}
}

func TestPolicyValidate(t *testing.T) {
	good := Policy{After: 5, Within: time.Minute, For: 10 * time.Minute, UpTo: 24 * time.Hour}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Policy){
		"after must":   func(p *Policy) { p.After = 0 },
		"in …":         func(p *Policy) { p.Within = 0 },
		"for must":     func(p *Policy) { p.For = 0 },
		"not be short": func(p *Policy) { p.UpTo = time.Minute },
		"not be long":  func(p *Policy) { p.UpTo = maxBan + 1 },
	} {
		p := good
		change(&p)
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an error with %q", p, err, want)
		}
	}
}

func TestSlots(t *testing.T) {
	s := NewSlots(10)
	var taken atomic.Int64
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if s.Take() {
				taken.Add(1)
			}
		})
	}
	all.Wait()
	if taken.Load() != 10 || s.Used() != 10 {
		t.Errorf("%d taken, %d used, want 10", taken.Load(), s.Used())
	}
	s.Release()
	if !s.Take() || s.Take() {
		t.Error("one that was given back is to be had once")
	}
	if (&Slots{}).Take() {
		t.Error("the zero value has a slot")
	}
}
