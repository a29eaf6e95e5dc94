package ban

import (
	"net/netip"
	"time"
)

// maxHistory bounds the number of clients whose repeats are remembered.
const maxHistory = 1 << 16

// history remembers the last automatic ban of clients, for the next one to be
// longer. It decays: the level falls by one each time that the client has kept
// quiet, after its ban, for as long as the ban was that belongs to the level. A
// client that was banned for a day is remembered for nearly two.
//
// The ledger's writing lock guards it.
type history struct {
	last map[netip.Prefix]record
}

type record struct {
	end    time.Time
	length time.Duration // of the ban
	level  int
}

// after is the level that is left at a time; -1 is none.
func (r record) after(now time.Time) int {
	quiet, length := now.Sub(r.end), r.length
	for level := r.level; level >= 0; level-- {
		if quiet < length {
			return level
		}
		quiet -= length
		length = (length + 1) / 2
	}
	return -1
}

// next is the level of the next ban of a client.
func (h *history) next(p netip.Prefix, now time.Time) int {
	r, ok := h.last[p]
	if !ok {
		return 0
	}
	return r.after(now) + 1
}

func (h *history) note(b Ban, now time.Time) {
	if !b.Automatic {
		return
	}
	h.enter(b.Prefix, record{b.Until, b.Until.Sub(b.From), b.Level}, now)
}

func (h *history) enter(p netip.Prefix, r record, now time.Time) {
	if h.last == nil {
		h.last = map[netip.Prefix]record{}
	}
	if _, known := h.last[p]; !known && len(h.last) >= maxHistory {
		h.makeRoom(now)
	}
	h.last[p] = r
}

// makeRoom drops, of a few, what has decayed or else has the lowest level.
func (h *history) makeRoom(now time.Time) {
	var victim netip.Prefix
	lowest, seen := 1<<30, 0
	for p, r := range h.last {
		if level := r.after(now); level < lowest {
			victim, lowest = p, level
		}
		if seen++; seen == 16 {
			break
		}
	}
	delete(h.last, victim)
}

func (h *history) sweep(now time.Time) {
	for p, r := range h.last {
		if r.after(now) < 0 {
			delete(h.last, p)
		}
	}
}

func (h *history) forget(p netip.Prefix) { delete(h.last, p) }

// restore takes over what a snapshot says, unless something later is known.
func (h *history) restore(r repeat, now time.Time) {
	if known, ok := h.last[r.Prefix]; ok && !known.end.Before(r.End) {
		return
	}
	h.enter(r.Prefix, record{r.End, r.Length, r.Level}, now)
}
