package lbpolicy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
)

func init() {
	caddy.RegisterModule(adminAPI{})
}

// adminAPI serves /load_balancing/ on Caddy's admin endpoint: what the policies
// know of the upstreams, and the weight and drain of each, which can be changed
// without a reload and stay through one.
type adminAPI struct{}

// CaddyModule returns the Caddy module information.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.load_balancing",
		New: func() caddy.Module { return new(adminAPI) },
	}
}

// upstreamsPath is where the upstreams are; that of one is below it.
const upstreamsPath = "/load_balancing/upstreams"

// Routes implements caddy.AdminRouter.
func (a adminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: upstreamsPath, Handler: caddy.AdminHandlerFunc(a.all)},
		{Pattern: upstreamsPath + "/", Handler: caddy.AdminHandlerFunc(a.one)},
	}
}

// upstreamState is an upstream in the answers.
type upstreamState struct {
	Address     string            `json:"address"`
	InFlight    int               `json:"in_flight"`
	LatencyMS   float64           `json:"latency_ms"`      // expected of one more request; 0: unknown
	IdleMS      float64           `json:"idle_latency_ms"` // expected if there were no other
	SuccessRate float64           `json:"success_rate"`
	Requests    map[string]uint64 `json:"requests"`
	Weight      int               `json:"weight"`
	Configured  int               `json:"configured_weight"`
	Drain       bool              `json:"drain"`
	Ejected     *ejectionState    `json:"ejected,omitempty"`
	Queue       int               `json:"queue"`
}

// ejectionState says why an upstream is ejected, and how long at least.
type ejectionState struct {
	Reason string    `json:"reason"`
	Until  time.Time `json:"until"`
}

func (u *upstream) state() upstreamState {
	known := u.host.Snapshot(clock())
	s := upstreamState{
		Address:     u.address,
		InFlight:    u.requests(),
		LatencyMS:   milliseconds(known.Latency),
		IdleMS:      milliseconds(known.IdleLatency),
		SuccessRate: known.SuccessRate,
		Requests:    make(map[string]uint64),
		Configured:  int(u.configured.Load()),
		Drain:       u.drained.Load() || u.drainedByConfig.Load(),
		Queue:       waitingFor(u.address),
	}
	s.Weight = u.weightOr(s.Configured)
	for c := range classes {
		if n := u.counts[c].Load(); n > 0 {
			s.Requests[c.String()] = n
		}
	}
	for _, e := range ejectionsOf(u.address) {
		until := time.Now().Add(e.left)
		if s.Ejected == nil || until.After(s.Ejected.Until) {
			s.Ejected = &ejectionState{Reason: e.why.String(), Until: until}
		}
	}
	return s
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// all answers GET /load_balancing/upstreams.
func (adminAPI) all(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		return notAllowed(w, http.MethodGet)
	}
	states := []upstreamState{}
	eachUpstream(func(u *upstream) { states = append(states, u.state()) })
	slices.SortFunc(states, func(a, b upstreamState) int { return strings.Compare(a.Address, b.Address) })
	return answer(w, states)
}

// one answers GET and PATCH /load_balancing/upstreams/<address>.
func (adminAPI) one(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodPatch {
		return notAllowed(w, "GET, PATCH")
	}
	address := strings.TrimPrefix(r.URL.Path, upstreamsPath+"/")
	u := lookUp(address)
	if u == nil {
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: fmt.Errorf("no upstream '%s' is in use by a load-balancing policy of Portico", address)}
	}
	if r.Method == http.MethodPatch {
		if err := u.patch(r.Body); err != nil {
			return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
		}
		wakeQueues()
	}
	return answer(w, u.state())
}

// A patch is what may be changed. A weight of null is that of the configuration.
type patch struct {
	Weight json.RawMessage `json:"weight"`
	Drain  *bool           `json:"drain"`
}

// maxPatch bounds the body of a PATCH.
const maxPatch = 4 << 10

// patch changes the upstream as the JSON in body says: all of it or nothing.
func (u *upstream) patch(body io.Reader) error {
	decoder := json.NewDecoder(io.LimitReader(body, maxPatch))
	decoder.DisallowUnknownFields()
	var p patch
	if err := decoder.Decode(&p); err != nil {
		return fmt.Errorf("decoding the body: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("decoding the body: there is more than one value")
	}
	if p.Weight == nil && p.Drain == nil {
		return errors.New("nothing to change: neither weight nor drain is given")
	}
	if p.Weight != nil {
		var weight *int
		if err := json.Unmarshal(p.Weight, &weight); err != nil || weight != nil && (*weight < 0 || *weight > maxWeight) {
			return fmt.Errorf("weight: %s is neither a whole number from 0 to %d nor null", p.Weight, maxWeight)
		}
		if weight == nil {
			u.override.Store(0)
		} else {
			u.override.Store(int64(*weight) + 1)
		}
	}
	if p.Drain != nil {
		u.drained.Store(*p.Drain)
	}
	return nil
}

func notAllowed(w http.ResponseWriter, allow string) error {
	w.Header().Set("Allow", allow)
	return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: errors.New("method not allowed")}
}

func answer(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(v)
}

// Interface guards
var _ caddy.AdminRouter = adminAPI{}
