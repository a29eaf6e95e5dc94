package ban

import (
	"net/netip"
	"testing"
	"time"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestBanHoldsUntilItsEnd(t *testing.T) {
	l := New(0)
	if _, err := l.Add(netip.MustParsePrefix("10.0.0.0/8"), time.Minute, "test", epoch); err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddr("::ffff:10.1.2.3")
	for after, want := range map[time.Duration]bool{0: true, time.Minute - 1: true, time.Minute: false} {
		if _, banned := l.Lookup(addr, epoch.Add(after)); banned != want {
			t.Errorf("after %v: banned = %t, want %t", after, banned, want)
		}
	}
}
