package cachehandler

import (
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
)

// cacheStatus is this cache's member of the Cache-Status field (RFC 9211
// §2); "" if it is turned off.
func (x *exchange) cacheStatus() string {
	o := &x.outcome
	switch {
	case x.h.StatusHeader == statusOff:
		return ""
	case o.result == resultHit && o.reason == httpcache.Fresh && x.h.StatusHeader == statusBrief:
		return x.h.hitMembers.get(int64(o.ttl/time.Second), x.renderStatus)
	}
	return x.renderStatus()
}

func (x *exchange) renderStatus() string {
	var buf [256]byte
	member := x.statusMember()
	return string(member.Append(buf[:0]))
}

func (x *exchange) statusMember() httpcache.Status {
	o := &x.outcome
	m := httpcache.Status{Name: x.h.Name, FwdStatus: o.fwdStatus, Stored: o.stored, Collapsed: o.result == resultCollapsed}
	if o.hasAge {
		m.TTL, m.HasTTL = o.ttl, true
	}
	if o.fwd == httpcache.None {
		m.Hit = x.object != nil
	} else {
		m.Fwd = o.fwdToken()
	}
	if !saidAlready(o.reason, m.Fwd) {
		m.Detail = o.reason.String()
	}
	if x.h.StatusHeader == statusFull {
		m.Key = string(x.key)
		if x.object != nil {
			m.Key = x.object.Key
		}
	}
	return m
}

// saidAlready reports a reason that the rest of the member says.
func saidAlready(why httpcache.Reason, fwd string) bool {
	switch why {
	case httpcache.Fresh, httpcache.Expired, httpcache.Collapsed:
		return true
	}
	return why.String() == fwd
}

// addCacheStatus appends this cache's member to the field (RFC 9211 §2:
// what is there already is never replaced). A field of its own comes out of
// spare; what is left of that is returned.
func (x *exchange) addCacheStatus(h http.Header, spare []string) []string {
	member := x.cacheStatus()
	if member == "" {
		return spare
	}
	if upstream := h["Cache-Status"]; len(upstream) > 0 {
		h["Cache-Status"] = append(slices.Clone(upstream), member)
		return spare
	}
	return setValue(h, "Cache-Status", member, spare)
}

// age is the value of Age; "" if the origin itself answered this request, of
// which the field would deny that (RFC 9111 §5.1).
func (x *exchange) age() string {
	if x.noAge {
		return ""
	}
	n := int64(x.outcome.age / time.Second)
	return ages.get(n, func() string { return strconv.FormatInt(n, 10) })
}

// bySecond remembers a string for each number of seconds up to an hour, so
// that hits need not make the same few again and again.
type bySecond [3601]atomic.Pointer[string]

var ages bySecond

func (t *bySecond) get(seconds int64, render func() string) string {
	if seconds < 0 || seconds >= int64(len(t)) {
		return render()
	}
	if s := t[seconds].Load(); s != nil {
		return *s
	}
	s := render()
	t[seconds].Store(&s)
	return s
}
