package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-portico/portico/filter/ban"
	"github.com/caddy-portico/portico/filter/geo"
	"github.com/caddy-portico/portico/filter/list"
	"github.com/caddy-portico/portico/filter/top"
)

func init() {
	caddy.RegisterModule(adminAPI{})
}

// adminAPI serves /request_filter/ on Caddy's admin endpoint: who is banned, which
// can be changed without a reload and stays through one, the state of lists and
// databases, and who is blocked most.
type adminAPI struct{}

// CaddyModule returns the Caddy module information.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.request_filter",
		New: func() caddy.Module { return new(adminAPI) },
	}
}

const (
	adminPath = "/request_filter"
	bansPath  = adminPath + "/bans"
)

// Routes implements caddy.AdminRouter.
func (adminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: bansPath, Handler: methods{http.MethodGet: listBans, http.MethodPost: addBan}},
		{Pattern: bansPath + "/", Handler: methods{http.MethodGet: lookUpBan, http.MethodDelete: liftBan}},
		{Pattern: adminPath + "/lists", Handler: methods{http.MethodGet: listLists}},
		{Pattern: adminPath + "/test", Handler: methods{http.MethodGet: test, http.MethodPost: test}},
		{Pattern: adminPath + "/top", Handler: methods{http.MethodGet: listTop}},
	}
}

// methods are what a path does, by method.
type methods map[string]func(*state, http.ResponseWriter, *http.Request) error

// ServeHTTP implements caddy.AdminHandler.
func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	do := m[r.Method]
	if do == nil {
		var allow []string
		for method := range m {
			allow = append(allow, method)
		}
		slices.Sort(allow)
		w.Header().Set("Allow", strings.Join(allow, ", "))
		return failed(http.StatusMethodNotAllowed, errors.New("method not allowed"))
	}
	s := runningState()
	if s == nil {
		return failed(http.StatusNotFound, errors.New("request_filter is not in the running configuration"))
	}
	return do(s, w, r)
}

// runningState is the state if a configuration runs that has the filter; nil if
// none does.
func runningState() (running *state) {
	pools.state.Range(func(_, value any) bool {
		if s := value.(*state); s.app() != nil {
			running = s
		}
		return true
	})
	return running
}

// app is the one whose configuration decides.
func (s *state) app() *App {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.running); n > 0 {
		return s.running[n-1]
	}
	return nil
}

func failed(status int, err error) error { return caddy.APIError{HTTPStatus: status, Err: err} }

func answerJSON(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(v)
}

// banState is a ban in the answers. An address by itself is written without
// length.
type banState struct {
	Address   string    `json:"address"`
	From      time.Time `json:"from"`
	Until     time.Time `json:"until"`
	Reason    string    `json:"reason"`
	Automatic bool      `json:"automatic"`
	Level     int       `json:"level"`
}

func stateOf(b ban.Ban) banState {
	return banState{short(b.Prefix), b.From, b.Until, b.Reason, b.Automatic, b.Level}
}

func short(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// listBans answers GET /request_filter/bans, those first that end first.
func listBans(s *state, w http.ResponseWriter, _ *http.Request) error {
	all := []banState{}
	for _, b := range s.ledger.List(time.Now()) {
		all = append(all, stateOf(b))
	}
	return answerJSON(w, all)
}

// A banRequest is the body of POST /request_filter/bans.
type banRequest struct {
	Address string `json:"address"`
	For     string `json:"for"`
	Reason  string `json:"reason"`
}

const (
	maxBanBody   = 8 << 10
	maxBanReason = 1 << 10
)

// addBan answers POST /request_filter/bans.
func addBan(s *state, w http.ResponseWriter, r *http.Request) error {
	b, err := readBan(http.MaxBytesReader(w, r.Body, maxBanBody))
	if err != nil {
		return failed(http.StatusBadRequest, err)
	}
	prefix, err := parseBanned(b.Address)
	if err != nil {
		return failed(http.StatusBadRequest, fmt.Errorf("address: %w", err))
	}
	d, err := caddy.ParseDuration(b.For)
	if err != nil {
		return failed(http.StatusBadRequest, fmt.Errorf("for: '%s' is not a duration such as 10m or 7d", b.For))
	}
	set, err := s.ledger.Add(prefix, d, b.Reason, time.Now())
	if err != nil {
		return failed(http.StatusBadRequest, err)
	}
	return answerJSON(w, stateOf(set))
}

func readBan(body io.Reader) (b banRequest, err error) {
	decoder := json.NewDecoder(body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&b); err != nil {
		return b, fmt.Errorf("decoding the body: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return b, errors.New("decoding the body: there is more than one value")
	}
	if len(b.Reason) > maxBanReason {
		return b, fmt.Errorf("reason: is longer than %d bytes", maxBanReason)
	}
	return b, nil
}

// parseBanned reads an address or a CIDR range. Host bits are an error: it may mean
// the address or the range.
func parseBanned(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		addr, bad := netip.ParseAddr(text)
		if bad != nil || addr.Zone() != "" {
			return p, fmt.Errorf("'%s' is not an address or a range such as 192.0.2.0/24", text)
		}
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	if p != p.Masked() {
		return p, fmt.Errorf("'%s' has bits behind its prefix: write %s, or the address", text, p.Masked())
	}
	return p, nil
}

// bannedIn reads the address or range that a path ends in.
func bannedIn(r *http.Request) (netip.Prefix, error) {
	p, err := parseBanned(strings.TrimPrefix(r.URL.Path, bansPath+"/"))
	if err != nil {
		return p, failed(http.StatusBadRequest, err)
	}
	return p, nil
}

// lookUpBan answers GET /request_filter/bans/<address> with the ban that keeps an
// address out, be it that of a range around it.
func lookUpBan(s *state, w http.ResponseWriter, r *http.Request) error {
	p, err := bannedIn(r)
	if err != nil {
		return err
	}
	b, banned := s.ledger.Lookup(p.Addr(), time.Now())
	if !banned || b.Prefix.Bits() > lengthOf(p) {
		return failed(http.StatusNotFound, fmt.Errorf("%s is not banned", short(p)))
	}
	return answerJSON(w, stateOf(b))
}

// lengthOf is the length of a range as the ledger has it: ::ffff:0:0/96 is IPv4.
func lengthOf(p netip.Prefix) int {
	if p.Addr().Is4In6() {
		return max(0, p.Bits()-96)
	}
	return p.Bits()
}

// liftBan answers DELETE /request_filter/bans/<address>. Of an IPv6 address it
// lifts the ban of its /64 too, which is what an automatic ban keeps out.
func liftBan(s *state, w http.ResponseWriter, r *http.Request) error {
	p, err := bannedIn(r)
	if err != nil {
		return err
	}
	now := time.Now()
	lifted := s.ledger.Remove(p, now)
	if client := ban.Client(p.Addr()); p.IsSingleIP() && client != p && s.ledger.Remove(client, now) {
		lifted = true
	}
	if lifted {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	err = fmt.Errorf("%s is not banned", short(p))
	if b, banned := s.ledger.Lookup(p.Addr(), now); banned {
		err = fmt.Errorf("%s is not banned by itself: there is a ban of %s", short(p), short(b.Prefix))
	}
	return failed(http.StatusNotFound, err)
}

// listsState is the answer of GET /request_filter/lists.
type listsState struct {
	Lists     []list.State `json:"lists"`
	Databases []geo.State  `json:"databases"`
	Redis     *redisState  `json:"redis,omitempty"`
}

type redisState struct {
	Address string `json:"address"`
	Up      bool   `json:"up"`
	Errors  int64  `json:"errors"`
}

// listLists answers GET /request_filter/lists.
func listLists(s *state, w http.ResponseWriter, _ *http.Request) error {
	a := s.app()
	if a == nil { // stopped just now
		return failed(http.StatusNotFound, errors.New("request_filter is not in the running configuration"))
	}
	all := listsState{Lists: a.listStates(), Databases: []geo.State{}}
	for _, db := range a.databases {
		all.Databases = append(all.Databases, db.State())
	}
	if c := a.connection(); c != nil {
		all.Redis = &redisState{c.to, c.Up(), c.Errors()}
	}
	return answerJSON(w, all)
}

// topState is the answer of GET /request_filter/top.
type topState struct {
	Blocked int64           `json:"blocked"`       // requests, since Began
	Began   time.Time       `json:"blocked_since"` // of the process, or of the filter in it
	Reasons []reasonState   `json:"reasons"`
	Since   time.Time       `json:"clients_since"` // what Clients are counted from
	Clients []blockedClient `json:"clients"`
}

type reasonState struct {
	Reason string `json:"reason"`
	Count  int64  `json:"count"`
}

// A blockedClient is one that was blocked often.
type blockedClient struct {
	Address string            `json:"address"`
	Count   uint64            `json:"count"`
	Error   uint64            `json:"count_error"` // by how much the count may be too large
	Reasons map[string]uint64 `json:"reasons"`
	Last    time.Time         `json:"last"`
	Banned  bool              `json:"banned"`
}

const defaultTop, maxTop = 20, 4096

// listTop answers GET /request_filter/top?limit=<n>.
func listTop(s *state, w http.ResponseWriter, r *http.Request) error {
	limit := defaultTop
	if text := r.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxTop {
			return failed(http.StatusBadRequest, fmt.Errorf("limit: '%s' is not a number from 1 to %d", text, maxTop))
		}
		limit = n
	}
	now := time.Now()
	all := topState{Began: s.began, Since: top.Since(now), Reasons: []reasonState{}, Clients: []blockedClient{}}
	if all.Since.Before(s.began) {
		all.Since = s.began
	}
	for r := range reason(reasons) {
		if n := s.total[r].Load(); n > 0 {
			all.Blocked += n
			all.Reasons = append(all.Reasons, reasonState{r.String(), n})
		}
	}
	slices.SortStableFunc(all.Reasons, func(a, b reasonState) int { return int(b.Count - a.Count) })
	for _, c := range s.top.List(limit, now) {
		all.Clients = append(all.Clients, s.clientState(c, now))
	}
	return answerJSON(w, all)
}

func (s *state) clientState(c top.Client, now time.Time) blockedClient {
	_, banned := s.ledger.Lookup(c.Client.Addr(), now)
	by := make(map[string]uint64)
	for r := range reason(reasons) {
		if n := c.By[r]; n > 0 {
			by[r.String()] = n
		}
	}
	return blockedClient{short(c.Client), c.Count, c.Error, by, c.Last, banned}
}

// Interface guards
var (
	_ caddy.AdminRouter  = adminAPI{}
	_ caddy.AdminHandler = methods(nil)
)
