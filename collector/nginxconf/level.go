package nginxconf

import "slices"

// A Level is what the level of an error log lets through of what happens to upstreams.
type Level int

const (
	// LevelWarn lets "upstream server temporarily disabled" through, and all failures.
	LevelWarn Level = iota
	// LevelError lets failures through.
	LevelError
	// LevelCrit lets neither through.
	LevelCrit
)

// LevelOf returns the Level of an error_log directive's word. The default is error.
func LevelOf(word string) Level {
	switch {
	case slices.Contains([]string{"debug", "info", "notice", "warn"}, word):
		return LevelWarn
	case slices.Contains([]string{"crit", "alert", "emerg"}, word):
		return LevelCrit
	}
	return LevelError
}
