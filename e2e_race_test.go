//go:build race

package portico_test

// raceDetector reports a build with -race.
const raceDetector = true
