package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// cpuPlan divides the CPUs this process may use: one half for the server
// under test, the other for the client and the origin.
type cpuPlan struct {
	server, client []int
	unpinned       string // why nothing is pinned; empty if it is
}

func planCPUs() cpuPlan {
	all, err := allowedCPUs()
	switch _, missing := exec.LookPath("taskset"); {
	case err != nil:
		return cpuPlan{unpinned: err.Error()}
	case len(all) < 2:
		return cpuPlan{server: all, client: all, unpinned: "there is one CPU"}
	case missing != nil:
		return cpuPlan{server: all, client: all, unpinned: "no taskset in PATH"}
	}
	half := len(all) / 2
	return cpuPlan{server: all[:half], client: all[half:]}
}

// allowedCPUs reads the affinity of this process, like "0-3,8".
func allowedCPUs() ([]int, error) {
	list, err := procField("self", "Cpus_allowed_list")
	if err != nil {
		return nil, err
	}
	var cpus []int
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("cannot read the CPU list %q", list)
		}
		for cpu := from; cpu <= to; cpu++ {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}

// pinSelf moves this process, the origin in it and the generators it starts
// to the client's CPUs.
func (p *cpuPlan) pinSelf() {
	if p.unpinned != "" {
		return
	}
	pin := exec.Command("taskset", "-acp", cpuList(p.client), strconv.Itoa(os.Getpid()))
	if out, err := pin.CombinedOutput(); err != nil {
		p.unpinned = fmt.Sprintf("taskset: %v: %s", err, out)
		return
	}
	runtime.GOMAXPROCS(len(p.client))
}

// onServer returns the command line that runs args on the server's CPUs.
func (p *cpuPlan) onServer(args ...string) []string {
	if p.unpinned != "" {
		return args
	}
	return append([]string{"taskset", "-c", cpuList(p.server)}, args...)
}

// serverCount is how many workers a server should run.
func (p *cpuPlan) serverCount() int { return max(1, len(p.server)) }

// clientCount is how many threads a generator should run.
func (p *cpuPlan) clientCount() int { return max(1, len(p.client)) }

func cpuList(cpus []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(cpus), " ", ","), "[]")
}

// cpuSeconds is the user and system time a process and its living
// descendants have used: nginx and Varnish work in children. It is NaN where
// there is no /proc. The kernel counts in ticks of 10 ms (USER_HZ).
func cpuSeconds(pid int) float64 {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	parent, ticks := map[int]int{}, map[int]float64{}
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // ended in the meantime
		}
		// proc_pid_stat(5): the name may hold spaces; what follows ")" is
		// state ppid … with utime and stime as the 12th and 13th field.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		id, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if len(fields) < 13 {
			continue
		}
		parent[id], _ = strconv.Atoi(fields[1])
		user, _ := strconv.ParseFloat(fields[11], 64)
		system, _ := strconv.ParseFloat(fields[12], 64)
		ticks[id] = user + system
	}
	if _, ok := ticks[pid]; !ok {
		return math.NaN()
	}
	total := 0.0
	for id := range ticks {
		for up := id; up > 1; up = parent[up] {
			if up == pid {
				total += ticks[id]
				break
			}
		}
	}
	return total / 100
}

// rssMiB and peakMiB are the resident memory of one process, now and at most
// since it started or since resetPeak.
func rssMiB(pid int) (float64, error)  { return memoryMiB(pid, "VmRSS") }
func peakMiB(pid int) (float64, error) { return memoryMiB(pid, "VmHWM") }

// resetPeak makes peakMiB start from the present (proc_pid_clear_refs(5)).
func resetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

func memoryMiB(pid int, field string) (float64, error) {
	text, err := procField(strconv.Itoa(pid), field)
	if err != nil {
		return 0, err
	}
	kib, err := strconv.ParseFloat(strings.TrimSuffix(text, " kB"), 64)
	return kib / 1024, err
}

// procField reads one line of /proc/<pid>/status.
func procField(pid, name string) (string, error) {
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value), nil
		}
	}
	return "", errors.New("no " + name + " in /proc/" + pid + "/status")
}
