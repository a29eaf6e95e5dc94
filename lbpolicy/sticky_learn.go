package lbpolicy

import (
	"fmt"
	"hash/maphash"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// learnt are sessions that the application names: by a cookie or a header that it
// sends, and that its clients send back. Which upstream sent it first is kept
// in a table, by a hash of the session's name.
type learnt struct {
	cookie, header string
	key            string // of the table among all
	table          *sessionTable
}

const (
	defaultSessions = 100_000
	maxSessions     = 100_000_000
	defaultIdle     = time.Hour
)

// sessionTables are those in use. They outlive a reload.
var sessionTables = caddy.NewUsagePool()

func (p *Sticky) newLearnt() *learnt {
	l := &learnt{cookie: p.Name, header: p.Header}
	most, idle := defaultSessions, defaultIdle
	if p.Learn != nil && p.Learn.Max > 0 {
		most = p.Learn.Max
	}
	if p.Learn != nil && p.Learn.Idle > 0 {
		idle = time.Duration(p.Learn.Idle)
	}
	l.key = fmt.Sprintf("cookie %q header %q max %d idle %s", l.cookie, l.header, most, idle)
	table, _, err := sessionTables.LoadOrNew(l.key, func() (caddy.Destructor, error) {
		return newSessionTable(most, idle), nil
	})
	if err != nil { // the constructor returns none
		panic(err)
	}
	l.table = table.(*sessionTable)
	return l
}

func (l *learnt) release() { _, _ = sessionTables.Delete(l.key) }

// home implements sessions.
func (l *learnt) home(c *choice, r *http.Request) int {
	for _, name := range l.named(r) {
		if address := l.table.find(hashOf(name), c.now); address != "" {
			for i, m := range c.members {
				if m.address == address {
					return i
				}
			}
		}
	}
	return -1
}

// named returns what the client says its session is.
func (l *learnt) named(r *http.Request) (names []string) {
	if l.header != "" {
		return r.Header.Values(l.header)
	}
	for _, c := range r.CookiesNamed(l.cookie) {
		names = append(names, c.Value)
	}
	return names
}

// settle implements sessions: one that was learnt moves when its upstream is away. A
// new one is learnt from the response, not from what a client says.
func (l *learnt) settle(c *choice, m *member, r *http.Request, _ http.ResponseWriter) {
	for _, name := range l.named(r) {
		hash := hashOf(name)
		if from := l.table.find(hash, c.now); from != "" && c.balancer.members.mayLeave(from) {
			l.table.move(hash, from, m.address)
		}
	}
}

// mayLeave reports that a session at address is this policy's to move: not one that
// another policy has learnt at an upstream of its own.
func (ms *members) mayLeave(address string) bool {
	ms.mu.RLock()
	_, own := ms.found[address]
	ms.mu.RUnlock()
	return own || lookUp(address) == nil
}

// observe learns the session that a response names, and forgets one that it
// ends.
func (l *learnt) observe(u *upstream, res *http.Response) {
	if l.header != "" {
		if name := res.Header.Get(l.header); name != "" {
			l.table.set(hashOf(name), u.address, clock())
		}
		return
	}
	for _, field := range res.Header["Set-Cookie"] {
		c, err := http.ParseSetCookie(field)
		if err != nil || c.Name != l.cookie || c.Value == "" {
			continue
		}
		if c.MaxAge < 0 || !c.Expires.IsZero() && c.Expires.Before(time.Now()) && c.MaxAge == 0 {
			l.table.forget(hashOf(c.Value))
			continue
		}
		l.table.set(hashOf(c.Value), u.address, clock())
	}
}

// seed makes the hashes unpredictable: a session cannot be made to meet another.
var seed = maphash.MakeSeed()

// hashOf is what is kept of a session's name, which is a secret.
func hashOf(name string) uint64 { return maphash.String(seed, name) }
