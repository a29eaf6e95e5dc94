package cachehandler

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
)

func TestFlightsHaveOneLeader(t *testing.T) {
	var fs flights
	fs.init()
	f, lead := fs.join("k", "", time.Now(), time.Time{}, 0)
	if !lead {
		t.Fatal("the first does not lead")
	}
	if g, lead := fs.join("k", "", time.Now(), time.Time{}, 0); lead || g != f {
		t.Error("the second does not join the first")
	}
	if _, lead := fs.join("k", "gzip", time.Now(), time.Time{}, 0); !lead {
		t.Error("another variant does not lead")
	}
	fs.land(f, landing{status: 200})
	<-f.landed
	if !f.over.Load() {
		t.Error("landed, and not over")
	}
	if _, lead := fs.join("k", "", time.Now(), time.Time{}, 0); !lead {
		t.Error("nobody leads after landing")
	}
}

func TestOutdatedFlightsAreNotJoined(t *testing.T) {
	var fs flights
	fs.init()
	f, _ := fs.join("k", "", time.Now(), time.Time{}, 0)
	fs.outdate("k")
	if !f.outdated.Load() {
		t.Error("not outdated")
	}
	g, lead := fs.join("k", "", time.Now(), time.Time{}, 0)
	if !lead {
		t.Error("an outdated flight was joined")
	}
	fs.land(f, landing{})
	if h, lead := fs.join("k", "", time.Now(), time.Time{}, 0); lead || h != g {
		t.Error("landing the outdated flight took the other with it")
	}
}

func TestPassMemory(t *testing.T) {
	var m passMemory
	m.init()
	start := m.start
	key := []byte("http://a/x")
	if m.has(key, 0, start) {
		t.Error("an empty memory has it")
	}
	m.remember(key, 0, start, httpcache.Private)
	if !m.has(key, 0, start) || !m.has(key, 0, start.Add(passFor-2*time.Second)) {
		t.Error("not remembered")
	}
	if m.has(key, authorized, start) || m.has(key, withCookie, start) {
		t.Error("remembered for other classes of requests")
	}
	if m.has(key, 0, start.Add(passFor+time.Second)) {
		t.Error("remembered too long")
	}
	why, age, ok := m.recall(key, 0, start.Add(passFor+time.Second))
	if why != httpcache.Private || age != passFor+time.Second || !ok {
		t.Errorf("recall = %v, %v, %v", why, age, ok)
	}
	m.forget(key, 0)
	if _, _, ok := m.recall(key, 0, start); ok {
		t.Error("recalled what is forgotten")
	}
	if m.has(key, 0, start) {
		t.Error("not forgotten")
	}
}

func TestPassMemoryTellsKeysApart(t *testing.T) {
	var m passMemory
	m.init()
	for i := range 1000 {
		m.remember(fmt.Appendf(nil, "marked %d", i), 0, m.start, httpcache.NoStore)
	}
	for i := range 100_000 {
		if key := fmt.Appendf(nil, "other %d", i); m.has(key, 0, m.start) {
			t.Fatalf("%s was never remembered", key)
		}
	}
}

// Flights that nobody joins are outdated like all others.
func TestFlightsAlone(t *testing.T) {
	var fs flights
	fs.init()
	f := fs.alone("k")
	if _, lead := fs.join("k", "", time.Now(), time.Time{}, 0); !lead {
		t.Error("it was joined")
	}
	fs.outdate("k")
	if !f.outdated.Load() {
		t.Error("not outdated")
	}
}

// 9111-4.4: what was asked for before a change is not for those who come after it,
// under whatever key the change was made.
func TestFlightFromBeforeAChange(t *testing.T) {
	var fs flights
	fs.init()
	began := time.Now()
	old, _ := fs.join("k", "", began, time.Time{}, 0)
	fresh, lead := fs.join("k", "", began.Add(2*time.Second), began.Add(time.Second), 0)
	if !lead {
		t.Fatal("a flight from before the change was joined")
	}
	if f, lead := fs.join("k", "", began.Add(3*time.Second), began.Add(time.Second), 0); lead || f != fresh {
		t.Error("the flight from after the change was not joined")
	}
	fs.land(old, landing{})
	if f, lead := fs.join("k", "", began.Add(4*time.Second), began.Add(time.Second), 0); lead || f != fresh {
		t.Error("landing the old flight took the other with it")
	}
}
