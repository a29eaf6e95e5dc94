package examples_test

import (
	"encoding/json"
	"fmt"
	"net/http/cookiejar"
	"strings"
	"testing"
)

// TestSessions runs two PHP-FPM servers, each with its own sessions, behind
// the example: every visitor's visits are counted by one of them.
func TestSessions(t *testing.T) {
	first, socket1 := startPHP(t)
	_, socket2 := startPHP(t)
	t.Setenv("PHP_ROOT", first.root)
	t.Setenv("PHP_FPM_1", "unix/"+socket1)
	t.Setenv("PHP_FPM_2", "unix/"+socket2)
	s := startSite(t, "sessions")
	const visitors, visits = 12, 8
	for range visitors {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		s.client.Jar = jar
		for i := range visits {
			r := s.get("/session.php")
			if _, count, _ := strings.Cut(strings.TrimSpace(string(r.Body)), " "); count != fmt.Sprint(i+1) {
				t.Fatalf("visit %d: %d %s: the session was lost", i+1, r.Status, r.Body)
			}
		}
	}
	var states []struct {
		Address  string
		Requests map[string]int
	}
	if err := json.Unmarshal([]byte(s.command(t, "list", "--json")), &states); err != nil || len(states) != 2 {
		t.Fatalf("%d upstreams, want 2 (%v)", len(states), err)
	}
	total := 0
	for _, one := range states {
		if one.Requests["2xx"] == 0 {
			t.Errorf("%s got no session", one.Address)
		}
		total += one.Requests["2xx"]
	}
	if total != visitors*visits {
		t.Errorf("counted %d requests, want %d", total, visitors*visits)
	}
}
