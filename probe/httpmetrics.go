package probe

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// bodyMetrics turns numbers of a JSON body into metrics. A missing or non-numeric value is absent, never zero.
func (h *httpRun) bodyMetrics(body []byte) {
	for i := range h.m.HTTP.Metrics {
		metric := &h.m.HTTP.Metrics[i]
		value, err := numberAt(body, metric.Path)
		if err != nil {
			h.t.logf("metric %s: %s: %s", metric.Name, metric.Path, err)
			h.t.missing(metric.Name)
			continue
		}
		var labels []Label
		for name, value := range metric.Labels {
			labels = append(labels, Label{name, value})
		}
		slices.SortFunc(labels, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
		h.t.gauge(metric.Name, metric.help(), value, labels...)
	}
}

func numberAt(body []byte, path string) (float64, error) {
	if !gjson.ValidBytes(body) {
		return 0, errors.New("the answer is not JSON")
	}
	return number(gjson.GetBytes(body, path))
}

func number(r gjson.Result) (float64, error) {
	switch r.Type {
	case gjson.Number:
		if math.IsInf(r.Num, 0) || math.IsNaN(r.Num) {
			return 0, errors.New("the number is too large")
		}
		return r.Num, nil
	case gjson.String:
		n, err := strconv.ParseFloat(strings.TrimSpace(r.Str), 64)
		if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
			return 0, errors.New("the text is not a number")
		}
		return n, nil
	case gjson.Null:
		return 0, errors.New("the value is missing")
	}
	return 0, errors.New("it is not a number")
}
