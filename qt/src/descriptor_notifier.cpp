// descriptor_notifier: see descriptor_notifier.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "descriptor_notifier.hpp"

#include "descriptor_poller.hpp"

#include <QtCore/QEvent>
#include <QtCore/QSocketNotifier>

#include <sys/epoll.h>

#include <utility>

namespace sallyport::qt {

/// Qt's own.
class descriptor_notifier::lone_notifier final : public QSocketNotifier {
 public:
  lone_notifier(descriptor_notifier& owner, Type type)
      : QSocketNotifier(owner.descriptor_, type, &owner), owner_(owner) {}

  void want(bool wanted) {
    if (isEnabled() != wanted) setEnabled(wanted);
  }

 protected:
  bool event(QEvent* event) override {
    if (event->type() != QEvent::SockAct) return QSocketNotifier::event(event);
    if (isEnabled()) type() == Read ? owner_.on_input() : owner_.on_output();  // which may delete this
    return true;
  }

 private:
  descriptor_notifier& owner_;
};

descriptor_notifier::descriptor_notifier(int descriptor, QObject* parent) : QObject(parent), descriptor_(descriptor) {
  static_assert(input_events == EPOLLIN && output_events == EPOLLOUT);
}

descriptor_notifier::~descriptor_notifier() { stop(); }

void descriptor_notifier::stop() {
  wanted_ = 0;
  descriptor_poller::remove(*this);
  delete std::exchange(lone_input_, nullptr);
  delete std::exchange(lone_output_, nullptr);
}

void descriptor_notifier::update() {
  // What isn't wanted any more stays registered until it comes: mostly it is wanted again before.
  if (lone_input_ == nullptr && (wanted_ & ~registered_) == 0) return;
  enlist();
}

void descriptor_notifier::enlist() {
  if (lone_input_ == nullptr) {
    if (wanted_ == 0) return;
    descriptor_poller* const poller = descriptor_poller::of_this_thread();
    if (poller != nullptr && poller->set(*this, wanted_)) {
      if (!poller->watch_event_loop()) enlist_soon();
      return;
    }
    lone_input_ = new lone_notifier(*this, QSocketNotifier::Read);
    lone_output_ = new lone_notifier(*this, QSocketNotifier::Write);
  }
  lone_input_->want((wanted_ & input_events) != 0);
  lone_output_->want((wanted_ & output_events) != 0);
}

void descriptor_notifier::enlist_soon() {
  if (std::exchange(enlists_soon_, true)) return;
  const auto enlist_now = [this] {
    enlists_soon_ = false;
    enlist();
  };
  QMetaObject::invokeMethod(this, enlist_now, Qt::QueuedConnection);
}

bool descriptor_notifier::event(QEvent* event) {
  // Still on the old thread. What is posted goes along, and so do Qt's notifiers by themselves.
  if (event->type() == QEvent::ThreadChange && lone_input_ == nullptr) {
    descriptor_poller::remove(*this);
    enlist_soon();
  }
  return QObject::event(event);
}

}  // namespace sallyport::qt
