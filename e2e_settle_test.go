package portico_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// settle waits until no listener of an earlier configuration is left. Caddy closes
// them behind the back of a reload, and what the system had queued for them by then
// is reset (Linux, SO_REUSEPORT): a test would see connections fail that say nothing
// about Portico.
func (s *site) settle() {
	s.t.Helper()
	eventually(s.t, "the listeners of the old configuration to close", func() bool {
		sockets, _ := os.ReadFile("/proc/net/tcp") // elsewhere nothing is queued for two
		return !listensTwice(string(sockets), s.vars["$HTTP"], s.vars["$HTTPS"], s.vars["$ADMIN"])
	})
}

// listensTwice reports whether Linux's list of sockets has two that listen on the
// port of one of the addresses.
func listensTwice(sockets string, addrs ...string) bool {
	const localAddress, state, listen = 1, 3, "0A"
	listening := map[string]int{} // by port, in hexadecimal
	for line := range strings.Lines(sockets) {
		if fields := strings.Fields(line); len(fields) > state && fields[state] == listen {
			_, port, _ := strings.Cut(fields[localAddress], ":")
			listening[port]++
		}
	}
	return slices.ContainsFunc(addrs, func(addr string) bool {
		n, _ := strconv.Atoi(port(addr))
		return listening[fmt.Sprintf("%04X", n)] > 1
	})
}
