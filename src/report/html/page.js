(function () {
  'use strict';
  var form = document.getElementById('filters');
  var all = Array.prototype.slice.call(document.querySelectorAll('article'));
  function apply() {
    var severities = {};
    form.querySelectorAll('[name=severity]').forEach(function (box) { severities[box.value] = box.checked; });
    var device = form.elements.device.value, file = form.elements.file.value, shown = 0;
    all.forEach(function (article) {
      var data = article.dataset;
      var fits = severities[data.severity] && (!file || data.file === file) &&
        (!device || data.devices.split('|').indexOf(device) >= 0);
      article.hidden = !fits;
      shown += fits ? 1 : 0;
    });
    document.getElementById('shown').textContent = shown + ' of ' + all.length + ' shown';
    document.getElementById('none').hidden = shown > 0 || all.length === 0;
  }
  form.addEventListener('change', apply);
  form.addEventListener('submit', function (event) { event.preventDefault(); });
  apply();
})();
