package nginxconf

import (
	"slices"
	"strings"
)

// A Level says which upstream failures an error log's level includes.
type Level int

const (
	// LevelWarn includes "upstream server temporarily disabled", and all failures.
	LevelWarn Level = iota
	// LevelError includes failures.
	LevelError
	// LevelCrit includes neither.
	LevelCrit
)

// LevelOf returns the Level of an error_log directive's word. The default is error.
func LevelOf(word string) Level {
	switch {
	case slices.Contains([]string{"info", "notice", "warn"}, word), strings.HasPrefix(word, "debug"):
		return LevelWarn
	case slices.Contains([]string{"crit", "alert", "emerg"}, word):
		return LevelCrit
	}
	return LevelError
}
