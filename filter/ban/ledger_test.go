package ban

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func mustAdd(t testing.TB, l *Ledger, prefix string, d time.Duration, now time.Time) {
	t.Helper()
	if _, err := l.Add(netip.MustParsePrefix(prefix), d, "test", now); err != nil {
		t.Fatal(err)
	}
}

func TestLookup(t *testing.T) {
	l := New(0)
	for _, p := range []string{
		"192.0.2.7/32", "198.51.100.0/24", "2001:db8:1:2::/64", "2001:db8:ffff::1/128", "::ffff:203.0.113.0/120",
	} {
		mustAdd(t, l, p, time.Minute, epoch)
	}
	tests := []struct {
		addr string
		want bool
	}{
		{"192.0.2.7", true},
		{"192.0.2.8", false},
		{"::ffff:192.0.2.7", true}, // the same address, written as IPv6
		{"198.51.100.255", true},
		{"198.51.101.0", false},
		{"2001:db8:1:2:ffff::", true},
		{"2001:db8:1:3::", false},
		{"2001:db8:ffff::1", true},
		{"2001:db8:ffff::1%eth0", true}, // a zone is no way out
		{"2001:db8:ffff::2", false},
		{"203.0.113.9", true},
		{"::", false},
	}
	for _, tt := range tests {
		if _, got := l.Lookup(netip.MustParseAddr(tt.addr), epoch); got != tt.want {
			t.Errorf("%s: banned = %t, want %t", tt.addr, got, tt.want)
		}
	}
	if _, banned := l.Lookup(netip.Addr{}, epoch); banned {
		t.Error("no address is banned")
	}
}

func TestBanHoldsUntilItsEnd(t *testing.T) {
	l := New(0)
	mustAdd(t, l, "10.0.0.0/8", time.Minute, epoch)
	addr := netip.MustParseAddr("10.1.2.3")
	for after, want := range map[time.Duration]bool{0: true, time.Minute - 1: true, time.Minute: false} {
		if _, banned := l.Lookup(addr, epoch.Add(after)); banned != want {
			t.Errorf("after %v: banned = %t, want %t", after, banned, want)
		}
	}
}

func TestAddRefuses(t *testing.T) {
	l := New(0)
	for _, tt := range []struct {
		p netip.Prefix
		d time.Duration
	}{
		{netip.Prefix{}, time.Minute},
		{netip.MustParsePrefix("10.0.0.0/8"), 0},
		{netip.MustParsePrefix("10.0.0.0/8"), -1},
		{netip.MustParsePrefix("10.0.0.0/8"), maxBan + 1},
		{netip.MustParsePrefix("::ffff:0:0/90"), time.Minute},
	} {
		if b, err := l.Add(tt.p, tt.d, "", epoch); err == nil {
			t.Errorf("%v for %v: no error, %+v", tt.p, tt.d, b)
		}
	}
	if l.Len() != 0 {
		t.Errorf("%d bans", l.Len())
	}
}

// slow is the ledger's twin: a list that is searched from end to end.
type slow map[netip.Prefix]time.Time

func (s slow) banned(a netip.Addr, now time.Time) bool {
	for p, until := range s {
		if p.Contains(a) && now.Before(until) {
			return true
		}
	}
	return false
}

// Bans that are set, lifted, replaced and end, among overlapping ranges: at each
// moment the ledger says what the list says.
func TestTwin(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	l, twin := New(0), slow{}
	now := epoch
	address := func() netip.Addr {
		if rng.IntN(2) == 0 {
			return netip.AddrFrom4([4]byte{10, 0, byte(rng.IntN(3)), byte(rng.IntN(4))})
		}
		return netip.AddrFrom16([16]byte{0x20, 1, 7: byte(rng.IntN(3)), 15: byte(rng.IntN(4))})
	}
	for i := range 20000 {
		now = now.Add(time.Duration(rng.Int64N(int64(time.Second))))
		a := address()
		lengths := []int{8, 24, 30, 32}
		if !a.Is4() {
			lengths = []int{0, 48, 64, 126, 128}
		}
		p, _ := a.Prefix(lengths[rng.IntN(len(lengths))])
		switch rng.IntN(6) {
		case 0:
			d := time.Duration(1 + rng.Int64N(int64(10*time.Second)))
			mustAdd(t, l, p.String(), d, now)
			twin[p] = now.Add(d)
		case 1:
			until, had := twin[p]
			if got := l.Remove(p, now); got != (had && now.Before(until)) {
				t.Fatalf("step %d: removed %v = %t, twin had it until %v at %v", i, p, got, until, now)
			}
			delete(twin, p)
		case 2:
			if rng.IntN(50) == 0 {
				l.Sweep(now)
			}
		}
		b, got := l.Lookup(a, now)
		if want := twin.banned(a, now); got != want {
			t.Fatalf("step %d: %v at %v: banned = %t (%+v), want %t", i, a, now, got, b, want)
		}
		if got && !b.Prefix.Contains(a) {
			t.Fatalf("step %d: %v is banned by %v", i, a, b.Prefix)
		}
	}
	live := 0
	for _, until := range twin {
		if now.Before(until) {
			live++
		}
	}
	if n := len(l.List(now)); n != live {
		t.Errorf("%d bans are listed, want %d", n, live)
	}
}

// A ban counts from the moment Add has returned, and one that stays is never
// missed while others come and go.
func TestLookupWhileWritten(t *testing.T) {
	l := New(0)
	mustAdd(t, l, "192.0.2.1/32", time.Hour, epoch)
	stays := netip.MustParseAddr("192.0.2.1")
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, banned := l.Lookup(stays, epoch); !banned {
					t.Error("a ban was missed")
					return
				}
			}
		})
	}
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := range 500 {
				p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(w), byte(i >> 8), byte(i)}), 32)
				if _, err := l.Add(p, time.Hour, "", epoch); err != nil {
					t.Error(err)
				}
				if _, banned := l.Lookup(p.Addr(), epoch); !banned {
					t.Errorf("%v was banned and is not", p)
				}
				if i%2 == 0 && !l.Remove(p, epoch) {
					t.Errorf("%v was not there to remove", p)
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	if n := l.Len(); n != 1+4*250 {
		t.Errorf("%d bans, want %d", n, 1+4*250)
	}
}

// The number of bans is bounded; those by hand stay, automatic ones go first.
func TestBound(t *testing.T) {
	l := New(100)
	mustAdd(t, l, "192.0.2.0/24", time.Hour, epoch)
	s := newStrikes(t, l, Policy{After: 1, Within: time.Minute, For: time.Hour})
	for i := range 1000 {
		s.Strike(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), "", epoch)
	}
	if l.Len() != 100 || l.Evicted() != 901 {
		t.Errorf("%d bans, %d evicted, want 100 and 901", l.Len(), l.Evicted())
	}
	if _, banned := l.Lookup(netip.MustParseAddr("192.0.2.1"), epoch); !banned {
		t.Error("a ban by hand went")
	}
}

// The one that was set later counts, in whichever order they arrive.
func TestMerge(t *testing.T) {
	p := netip.MustParsePrefix("192.0.2.1/32")
	older := Ban{Prefix: p, From: epoch, Until: epoch.Add(time.Hour), Reason: "older"}
	newer := Ban{Prefix: p, From: epoch.Add(time.Minute), Until: epoch.Add(10 * time.Minute), Reason: "newer"}
	now := epoch.Add(2 * time.Minute)
	for _, order := range [][]Ban{{older, newer}, {newer, older}} {
		l := New(0)
		for _, b := range order {
			l.Merge(b, now)
		}
		if b, _ := l.Lookup(p.Addr(), now); b.Reason != "newer" {
			t.Errorf("%v: %+v holds", order, b)
		}
		if l.MergeLifted(p, epoch, now) {
			t.Error("a ban was lifted by what happened before it")
		}
		if !l.MergeLifted(p, now, now) {
			t.Error("a ban was not lifted")
		}
		if l.Merge(older, epoch.Add(2*time.Hour)) {
			t.Error("a ban that has ended was taken over")
		}
	}
}

func TestAllocations(t *testing.T) {
	l := filled(t, 1000)
	hit, miss := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("192.0.2.1")
	six := netip.MustParseAddr("2001:db8::1")
	if n := testing.AllocsPerRun(1000, func() {
		l.Lookup(hit, epoch)
		l.Lookup(miss, epoch)
		l.Lookup(six, epoch)
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// filled has n bans: of addresses from 10.0.0.0 on, and every tenth of a /64.
func filled(t testing.TB, n int) *Ledger {
	l := New(0)
	for i := range n {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
		if i%10 == 9 {
			p = netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 4: byte(i >> 16), 5: byte(i >> 8), 6: byte(i)}), 64)
		}
		mustAdd(t, l, p.String(), time.Hour, epoch)
	}
	return l
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{0, 1, 100_000} {
		l := filled(b, n)
		for _, addr := range []string{"192.0.2.1", "2001:db8::1"} {
			b.Run(fmt.Sprintf("bans=%d/%s", n, addr), func(b *testing.B) {
				a := netip.MustParseAddr(addr)
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					now := epoch
					for pb.Next() {
						if _, banned := l.Lookup(a, now); banned {
							b.Error("banned")
						}
					}
				})
			})
		}
	}
}

func TestSetMax(t *testing.T) {
	l := New(3)
	for i := range 10 {
		mustAdd(t, l, fmt.Sprintf("192.0.2.%d/32", i), time.Hour, epoch)
	}
	if l.Len() != 3 {
		t.Fatalf("%d bans, want 3", l.Len())
	}
	l.SetMax(5)
	for i := range 10 {
		mustAdd(t, l, fmt.Sprintf("192.0.3.%d/32", i), time.Hour, epoch)
	}
	if l.Len() != 5 {
		t.Errorf("%d bans, want 5", l.Len())
	}
}

// Whoever saves sees every change, and no other.
func TestChanges(t *testing.T) {
	l, before := New(0), int64(0)
	changed := func(what string, want bool) {
		t.Helper()
		if now := l.Changes(); now != before != want {
			t.Errorf("%s: changed = %t, want %t", what, !want, want)
		} else {
			before = now
		}
	}
	p := netip.MustParsePrefix("192.0.2.1/32")
	mustAdd(t, l, p.String(), time.Hour, epoch)
	changed("a ban", true)
	l.Lookup(p.Addr(), epoch)
	l.List(epoch)
	changed("a look-up", false)
	l.Remove(p, epoch)
	changed("a ban lifted", true)
	l.Remove(p, epoch)
	changed("nothing lifted", false)
	b := Ban{Prefix: p, From: epoch, Until: epoch.Add(time.Hour)}
	l.Merge(b, epoch)
	changed("a ban of others", true)
	l.Merge(b, epoch)
	changed("the same again", false)
	l.MergeLifted(p, epoch, epoch)
	changed("lifted by others", true)
	s, err := NewStrikes(l, Policy{After: 1, Within: time.Minute, For: time.Minute}, epoch)
	if err != nil {
		t.Fatal(err)
	}
	s.Strike(p.Addr(), "", epoch)
	changed("an automatic ban", true)
}
