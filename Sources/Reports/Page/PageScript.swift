/// The page's only script: shows the one of the prepared charts that the buttons ask for, and reads values out of curves.
/// Without it the page shows losses by steps.
enum PageScript {
    // No less-than sign and no ampersand, so that the page is well-formed XML too.
    static let source = """
        (function () {
          "use strict";
          var form = document.getElementById("curve-choice");
          if (!form) { return; }
          function chosen(name) { return form.querySelector("input[name=" + name + "]:checked").value; }
          function show() {
            var axis = chosen("axis"), view = chosen("view");
            document.querySelectorAll("[data-axis]").forEach(function (chart) {
              chart.hidden = chart.dataset.axis !== axis || chart.dataset.view !== view;
            });
          }
          form.hidden = false;
          form.addEventListener("change", show);
          // A browser may have kept what was chosen before.
          show();

          // Values under the pointer, or by arrow keys.
          document.querySelectorAll("figure[data-axis]").forEach(function (figure) {
            var svg = figure.querySelector("svg"), out = figure.querySelector(".readout"), plot = svg.querySelector("[data-x]");
            var scale = plot.dataset.x.split(" "), low = Number(scale[1]), high = Number(scale[2]);
            var left = Number(scale[3]), right = Number(scale[4]), hint = "Point at the curves, or use the arrow keys, to read values.";
            var lines = Array.from(plot.querySelectorAll("[data-values]")).map(function (path) {
              return {
                name: path.dataset.name,
                values: path.dataset.values.split(" "),
                places: path.getAttribute("d").slice(1).split("L").map(function (place) { return Number(place.split(",")[0]); })
              };
            });
            if (!lines.length) { return; }
            var cursor = svg.querySelector("line.axis").cloneNode(), index = -1;
            cursor.style.display = "none";
            cursor.setAttribute("y2", 10);
            svg.appendChild(cursor);
            function nearest(places, x) {
              return places.reduce(function (best, place, at) { return Math.abs(places[best] - x) > Math.abs(place - x) ? at : best; }, 0);
            }
            function read(x) {
              index = nearest(lines[0].places, x);
              var place = lines[0].places[index], share = (place - left) / (right - left);
              var value = scale[0] === "log" ? low * Math.pow(high / low, share) : low + share * (high - low);
              cursor.setAttribute("x1", place);
              cursor.setAttribute("x2", place);
              cursor.style.display = "";
              var found = lines.map(function (line) {
                var at = nearest(line.places, place);
                return { name: line.name, value: line.values[at], far: Math.abs(line.places[at] - place) > 12 };
              }).filter(function (line) { return !line.far; });
              found.sort(function (a, b) { return a.value - b.value; });
              out.textContent = Number(value.toPrecision(3)).toLocaleString("en") + " " + figure.dataset.unit + ": " +
                found.map(function (line) { return line.name + " " + line.value; }).join(" · ");
            }
            function leave() {
              cursor.style.display = "none";
              out.textContent = hint;
              index = -1;
            }
            leave();
            svg.tabIndex = 0;
            svg.addEventListener("pointermove", function (event) {
              var box = svg.getBoundingClientRect();
              read((event.clientX - box.left) / box.width * svg.viewBox.baseVal.width);
            });
            svg.addEventListener("pointerleave", leave);
            svg.addEventListener("blur", leave);
            svg.addEventListener("keydown", function (event) {
              var step = { ArrowLeft: -1, ArrowRight: 1 }[event.key], places = lines[0].places;
              if (!step) { return; }
              event.preventDefault();
              read(places[index === -1 ? places.length - 1 : Math.max(0, Math.min(places.length - 1, index + step))]);
            });
          });
        })();
        """
}
